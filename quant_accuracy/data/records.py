"""Single records of a TFRecord shard, without reading the others."""

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from PIL import Image

from quant_accuracy.errors import DataError

_SOURCE_ID, _ENCODED = "image/source_id", "image/encoded"
_HEADER, _FOOTER = struct.Struct("<QI"), struct.Struct("<I")
_REMEDY = "copy the file again or make it with tools/create_coco_tfrecords.py"
# Of an image, decoded; a few bytes may say that they are more.
_MOST_PIXELS = 1 << 26


class EncodedImage(NamedTuple):
    """An image as a record holds it.

    Attributes:
        source_id: The id that the record gives it; COCO's image id.
        content: The encoded image: JPEG or PNG.
    """

    source_id: str
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
        with open(str(path), "rb") as file:
            return {number: _image(path, number, content) for number, content in _contents(path, file, sorted(numbers))}
    except OSError as error:
        raise DataError(f"{path}: {os.strerror(error.errno or 0)}; make the file readable") from error


def _contents(path: Path, file: BinaryIO, numbers: List[int]) -> Iterator[Tuple[int, bytes]]:
    passed = 0
    for number in dict.fromkeys(numbers):
        while True:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                raise _damaged(path, number, "the file ends before it")
            length, checksum = _HEADER.unpack(header)
            # A damaged length leads anywhere.
            if _masked_crc(header[:8]) != checksum:
                raise _damaged(path, passed, "the checksum of its length is another")
            passed += 1
            if passed > number:
                break
            file.seek(length + _FOOTER.size, os.SEEK_CUR)
        content, footer = file.read(length), file.read(_FOOTER.size)
        if len(footer) < _FOOTER.size:
            raise _damaged(path, number, "it is cut short")
        if _masked_crc(content) != _FOOTER.unpack(footer)[0]:
            raise _damaged(path, number, "its checksum is another")
        yield number, content


def fields(content: bytes) -> Tuple[bytes, bytes]:
    """The source_id and the encoded image that a record holds.

    Not by TensorFlow's own parser of examples: version 1.15 of it ends the process on many records that are none.

    Raises:
        ValueError: It is no tf.train.Example, a field is not there once, or the image is none or too large.
    """
    try:
        feature = tf.train.Example.FromString(content).features.feature
    except DecodeError as error:
        raise ValueError("it is not a tf.train.Example") from error
    values = [feature[name].bytes_list.value if name in feature else () for name in (_SOURCE_ID, _ENCODED)]
    for name, value in zip((_SOURCE_ID, _ENCODED), values):
        if len(value) != 1:
            raise ValueError(f"it has {len(value)} values of {name}, not one")
    (source_id,), (encoded,) = values
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            width, height = picture.size
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ValueError("its image cannot be identified") from error
    if width * height > _MOST_PIXELS:
        raise ValueError(f"its image is {width}x{height}, and may have {_MOST_PIXELS} pixels")
    return source_id, encoded


def _image(path: Path, number: int, content: bytes) -> EncodedImage:
    try:
        source_id, encoded = fields(content)
    except ValueError as error:
        raise _damaged(path, number, str(error)) from error
    return EncodedImage(source_id.decode("utf-8", "replace"), encoded)


def _damaged(path: Path, number: int, problem: str) -> DataError:
    return DataError(f"{path}: record {number} is damaged ({problem}); {_REMEDY}")


def _table() -> List[int]:
    """What each byte does to a CRC-32C (Castagnoli's polynomial, 0x1EDC6F41, bits reversed)."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return found


_CRC_TABLE = _table()


def _masked_crc(content: bytes) -> int:
    """TFRecord's checksum: a CRC-32C, rotated and shifted so that it is no CRC of data that hold CRCs."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
