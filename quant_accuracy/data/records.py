"""Single records of a TFRecord shard, without reading the others, and what a record has to hold."""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from PIL import Image

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import DataError, shown
from quant_accuracy.data import framing, identifiers, recognition, rotation
from quant_accuracy.data.framing import REMEDY

_SOURCE_ID, _ENCODED, _LABEL = "image/source_id", "image/encoded", "image/object/class/label"
_MAKE = f"make the file with {invocation.CREATE_TFRECORDS}"
_ID_REMEDY = f"write the COCO image id there, or {_MAKE}"
_IMAGE_REMEDY = f"write the bytes of a JPEG or PNG there, or {_MAKE}"
# Of an image, decoded; a few bytes may say that they are more.
_MOST_PIXELS = 1 << 26
# Those that TensorFlow 1.15's decode_jpeg reads, as Pillow calls them; an MPO is a JPEG with others behind it.
DECODABLE = ("JPEG", "MPO", "PNG", "GIF")
_SHOWN_KEYS = 6
_LONGEST_PATH = 1024


class UnusableError(ValueError):
    """What is wrong with a record, and what to do: goes on after its name, as in "record 3 {message}"."""


class EncodedImage(NamedTuple):
    """An image as a record holds it.

    Attributes:
        image_id: COCO's image id.
        content: The encoded image: JPEG or PNG.
    """

    image_id: int
    content: bytes


def read_encoded(path: Path, numbers: Iterable[int]) -> Dict[int, EncodedImage]:
    """The encoded images of some records.

    The file is walked from length to length, and only what is asked for is read.

    Args:
        path: The TFRecord file.
        numbers: Which records, from 0 on.

    Returns:
        An image by record number.

    Raises:
        DataError: The file cannot be read, has no such record, or the record is damaged or holds no image; file and
            record are named.
    """
    try:
        with framing.opened(path) as file:
            return {number: _image(path, number, content) for number, content in _contents(path, file, sorted(numbers))}
    except OSError as error:
        raise DataError(f"{path}: {os.strerror(error.errno) if error.errno else error}; "
                        "make the file readable") from error
    except framing.DAMAGES as error:
        raise DataError(f"{path}: the compressed file is damaged ({error}); {REMEDY}") from error


def _contents(path: Path, file: BinaryIO, numbers: List[int]) -> Iterator[Tuple[int, bytes]]:
    passed = 0
    for number in dict.fromkeys(numbers):
        while True:
            header = file.read(framing.HEADER.size)
            if len(header) < framing.HEADER.size:
                raise _damaged(path, number, "the file ends before it")
            length, checksum = framing.HEADER.unpack(header)
            # A damaged length leads anywhere.
            if framing.masked_crc(header[:8]) != checksum:
                raise _damaged(path, passed, "the checksum of its length is another")
            passed += 1
            if passed > number:
                break
            if not framing.skip(file, length + framing.FOOTER.size):
                raise _damaged(path, number, "the file ends before it")
        content, footer = file.read(length), file.read(framing.FOOTER.size)
        if len(footer) < framing.FOOTER.size:
            raise _damaged(path, number, "it is cut short")
        if framing.masked_crc(content) != framing.FOOTER.unpack(footer)[0]:
            raise _damaged(path, number, "its checksum is another")
        yield number, content


def fields(content: bytes) -> Tuple[int, bytes]:
    """The image id and the encoded image that a record holds.

    Not by TensorFlow's own parser of examples: version 1.15 of it ends the process on many records that are none.

    Raises:
        UnusableError: It is no tf.train.Example, a field is not there once, or the image is none or too large.
    """
    feature = _features(content)
    return _image_id(content, feature), _encoded(content, feature)


def image_id(content: bytes) -> int:
    """The image id that a record holds, without a look at its image.

    Raises:
        UnusableError: It is no tf.train.Example, or has no id.
    """
    return _image_id(content, _features(content))


def labels(content: bytes) -> Set[int]:
    """The category ids of the objects that a record names; none where it names no objects.

    Raises:
        UnusableError: It is no tf.train.Example.
    """
    feature = _features(content)
    return set(feature[_LABEL].int64_list.value) if _LABEL in feature else set()


def name(content: bytes) -> str:
    """What a message calls a record besides its number; empty where its id is not known."""
    try:
        return f" (source_id {image_id(content)})"
    except UnusableError:
        return ""


def unreadable(problem: str) -> str:
    """The message about an image that cannot be decoded though a record holds one."""
    return f"is not a readable image ({problem}); {REMEDY}"


def _features(content: bytes) -> Any:
    try:
        return tf.train.Example.FromString(content).features.feature
    except DecodeError as error:
        raise UnusableError(f"is not a tf.train.Example; {_MAKE}") from error


def _image_id(content: bytes, feature: Any) -> int:
    kind, value = _only_value(content, feature, _SOURCE_ID, "bytes or int64", _ID_REMEDY)
    if kind == "bytes_list":
        value = value.decode("utf-8", "replace")
        if not value.strip("\0 \t\r\n"):
            raise UnusableError(f"has an empty {_SOURCE_ID}; {_ID_REMEDY}")
    try:
        return identifiers.as_integer(value.rstrip("\0") if isinstance(value, str) else value,
                                      identifiers.EXACT_SINGLE)
    except ValueError as error:
        raise UnusableError(f"has no usable id: the source_id {identifiers.quoted(value)} is not a COCO image id, it "
                            f"{error}; {_ID_REMEDY}") from error


def _only_value(content: bytes, feature: Any, key: str, wanted: str, remedy: str) -> Tuple[str, Any]:
    """The kind of a feature and its only value."""
    if key not in feature:
        if _is_sequence(content):
            raise UnusableError(f"is a tf.train.SequenceExample, whose context has no {key}; write a tf.train.Example "
                                "for each image")
        keys = sorted(feature)
        found = ", ".join(map(shown, keys[:_SHOWN_KEYS])) + (", ..." if len(keys) > _SHOWN_KEYS else "")
        raise UnusableError(f"has no {key} ({wanted}); it has {found or 'no feature at all'}; {remedy}")
    kind = feature[key].WhichOneof("kind")
    values = getattr(feature[key], kind).value if kind else ()
    if len(values) != 1:
        raise UnusableError(f"has {len(values)} values of {key}, not one; {remedy}")
    return kind, values[0]


def _is_sequence(content: bytes) -> bool:
    try:
        return bool(tf.train.SequenceExample.FromString(content).feature_lists.feature_list)
    except DecodeError:
        return False


def _encoded(content: bytes, feature: Any) -> bytes:
    kind, encoded = _only_value(content, feature, _ENCODED, "bytes", _IMAGE_REMEDY)
    if kind != "bytes_list":
        raise UnusableError(f"has {_ENCODED} as {kind.replace('_list', '')}, not as bytes; {_IMAGE_REMEDY}")
    found: bytes = encoded
    try:
        with Image.open(io.BytesIO(found)) as picture:
            form, (width, height) = str(picture.format), picture.size
            frames = getattr(picture, "n_frames", 1) if form == "GIF" else 1
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise UnusableError(_no_image(found, feature)) from error
    if form not in DECODABLE:
        raise UnusableError(f"has an image in the format {form}, which TensorFlow does not decode; {_IMAGE_REMEDY}")
    if frames > 1:
        raise UnusableError(f"has a GIF of {frames} frames, which is no single image; {_IMAGE_REMEDY}")
    if width * height > _MOST_PIXELS:
        raise UnusableError(unreadable(f"its image is {width}x{height}, and may have {_MOST_PIXELS} pixels"))
    return found


def _no_image(encoded: bytes, feature: Any) -> str:
    """What is in the place of an image."""
    if not encoded:
        return f"has an empty {_ENCODED}; {_IMAGE_REMEDY}"
    known = recognition.recognize(encoded[:recognition.HEAD])
    if known and not known.name.endswith("image"):
        return f"has {known.name} as {_ENCODED}; {known.remedy}, and make the TFRecords again"
    text = _text(encoded)
    if text is not None:
        return f"has the text {shown(text)} as {_ENCODED}, not the bytes of an image; {_IMAGE_REMEDY}"
    sides = [_side(feature, side) for side in ("image/height", "image/width")]
    if None not in sides and len(encoded) in [int(sides[0] or 0) * int(sides[1] or 0) * depth for depth in (1, 3, 4)]:
        return f"has bare pixels as {_ENCODED}, not an encoded image; {_IMAGE_REMEDY}"
    return unreadable("its image cannot be identified")


def _text(encoded: bytes) -> Optional[str]:
    """Bytes as the text that they are, such as a path; None where they are none."""
    if len(encoded) > _LONGEST_PATH:
        return None
    try:
        text = encoded.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _side(feature: Any, key: str) -> Optional[int]:
    values = feature[key].int64_list.value if key in feature else ()
    return int(values[0]) if len(values) == 1 else None


class SizeMarks(NamedTuple):
    """What a record has beside the pixels of its image about their size.

    Attributes:
        said: Its `image/height` and `image/width`; None where it has none.
        orientation: How the image asks to be turned; None where it does not.
    """

    said: Optional[Tuple[int, int]]
    orientation: Optional[rotation.Orientation]


def about_size(path: Path, number: int) -> SizeMarks:
    """What a record has about the size of its image; nothing where it cannot be read any more."""
    try:
        with framing.opened(path) as file:
            feature = _features(next(content for _, content in _contents(path, file, [number])))
        height, width = _side(feature, "image/height"), _side(feature, "image/width")
        with Image.open(io.BytesIO(feature[_ENCODED].bytes_list.value[0])) as picture:
            orientation = rotation.of_image(picture)
    except Exception:  # it has been read before, and this is for a message only
        return SizeMarks(None, None)
    return SizeMarks(None if height is None or width is None else (height, width), orientation)


def _image(path: Path, number: int, content: bytes) -> EncodedImage:
    try:
        return EncodedImage(*fields(content))
    except UnusableError as error:
        raise DataError(f"{path}: record {number}{name(content)} {error}") from error


def _damaged(path: Path, number: int, problem: str) -> DataError:
    return DataError(f"{path}: record {number} is damaged ({problem}); {REMEDY}")
