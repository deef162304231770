"""From COCO's own layout to sharded TFRecords, with the fields of the Object Detection API's converter.

An image keeps its bytes as they are, whatever its name ends in, if TensorFlow's decoder reads them: a JPEG (with others
behind it too, as cameras write them: MPO), a PNG, or a GIF of one frame. Images without objects and crowds are kept.
"""

import contextlib
import hashlib
import io
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base import files, progress
from quant_accuracy.base.errors import ConfigurationError, DataError, StorageError, first_line
from quant_accuracy.data import annotations, recognition, rotation

_LONGEST_NAME = 1000
# What the records call the formats that TensorFlow's decoder reads, by Pillow's names.
_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "GIF": "gif"}


class Converted(NamedTuple):
    """What a conversion wrote.

    Attributes:
        shards: The TFRecord files, in order.
        images: Number of images written.
        boxes: Number of ground-truth boxes written.
        dropped: One line for each box that was left out, and why.
        turned: One line for each image that viewers turn and TensorFlow does not.
    """

    shards: Sequence[Path]
    images: int
    boxes: int
    dropped: Sequence[str]
    turned: Sequence[str]


def convert(image_folder: Path, annotation_file: Path, output_prefix: Path, shard_count: int) -> Converted:
    """Write `<output_prefix>-00000-of-<shard_count>` and its siblings; image `i` goes to shard `i % shard_count`.

    All files appear together at the end or not at all.

    Raises:
        ConfigurationError: `shard_count` is not in 1..99999.
        DataError: An image is missing, damaged, or differs in size from its annotation.
        StorageError: The disk is full or cannot be written.
    """
    if not 1 <= shard_count <= 99999:
        raise ConfigurationError(f"{shard_count} shards cannot be written; ask for 1 to 99999")
    coco = annotations.load(annotation_file)
    objects = coco.by_image()
    dropped: List[str] = []
    turned: List[str] = []
    boxes = 0
    targets = [output_prefix.parent / f"{output_prefix.name}-{i:05d}-of-{shard_count:05d}" for i in range(shard_count)]
    with files.atomic_paths(targets) as paths:
        writers = [tf.io.TFRecordWriter(str(path)) for path in paths]
        try:
            images = progress.bar(coco.document["images"], total=len(coco.images), unit="images", label="converting")
            for index, image in enumerate(images):
                kept = []
                for thing in objects[image["id"]]:
                    reason = _unusable(thing, image)
                    if reason:
                        dropped.append(f"annotation {thing['id']} of image {image['id']}: {reason}")
                    else:
                        kept.append(thing)
                boxes += len(kept)
                found = _read_image(image_folder, image)
                if found.orientation is not None:
                    turned.append(f"image {image['id']} ({image['file_name']}): {found.orientation.text()}")
                writers[index % shard_count].write(_example(found, image, kept, coco.categories))
            for writer in writers:
                writer.close()
        except tf.errors.OpError as error:
            raise StorageError(f"{output_prefix}: cannot be written ({first_line(error)}); free some space, or name "
                               "another place") from error
    return Converted(targets, len(coco.images), boxes, dropped, turned)


def _unusable(thing: Mapping[str, Any], image: Mapping[str, Any]) -> str:
    """The reason why a box cannot be a training target, in the Object Detection API's terms; empty when it can."""
    x, y, width, height = thing["bbox"]
    if width <= 0 or height <= 0:
        return "the box is empty"
    # Annotators' boxes touch the border: half a pixel of rounding is no contradiction.
    if x < -0.5 or y < -0.5 or x + width > image["width"] + 0.5 or y + height > image["height"] + 0.5:
        return "the box leaves the image"
    return ""


class _Image(NamedTuple):
    """An image file: its bytes, its format in the records, and how viewers turn it."""

    content: bytes
    form: str
    orientation: Optional[rotation.Orientation]


def _example(found: _Image, image: Mapping[str, Any], things: Sequence[Mapping[str, Any]],
             categories: Mapping[int, str]) -> bytes:
    content = found.content
    width, height = float(image["width"]), float(image["height"])

    def edges(first: int, second: int, side: float) -> List[float]:
        values = (thing["bbox"][first] + (thing["bbox"][second] if second >= 0 else 0.0) for thing in things)
        return [min(max(value / side, 0.0), 1.0) for value in values]

    feature: Dict[str, tf.train.Feature] = {
        "image/height": _int64(image["height"]),
        "image/width": _int64(image["width"]),
        "image/filename": _bytes(str(image["file_name"]).encode("utf-8", "surrogateescape")),
        "image/source_id": _bytes(str(image["id"]).encode("utf-8")),
        "image/key/sha256": _bytes(hashlib.sha256(content).hexdigest().encode("ascii")),
        "image/encoded": _bytes(content),
        "image/format": _bytes(found.form.encode("ascii")),
        "image/object/bbox/xmin": _floats(edges(0, -1, width)),
        "image/object/bbox/xmax": _floats(edges(0, 2, width)),
        "image/object/bbox/ymin": _floats(edges(1, -1, height)),
        "image/object/bbox/ymax": _floats(edges(1, 3, height)),
        "image/object/class/text": _bytes(*(categories[thing["category_id"]].encode("utf-8") for thing in things)),
        "image/object/class/label": _int64(*(thing["category_id"] for thing in things)),
        "image/object/is_crowd": _int64(*(int(thing.get("iscrowd", 0)) for thing in things)),
        "image/object/area": _floats([float(thing.get("area", 0.0)) for thing in things]),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True))


def _read_image(folder: Path, image: Mapping[str, Any]) -> _Image:
    path = _path(folder, image)
    named = f"{path}: image {image['id']}"
    try:
        # What a symbolic link leads to counts, not where the link is.
        if folder.resolve() not in path.resolve().parents:
            raise DataError(f"{named} lies outside {folder}; repair its file_name")
        content = path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        # RuntimeError: links in a circle. ValueError: a name that no file can have.
        remedy = _where(folder, image["file_name"])
        raise DataError(f"{named} cannot be read ({first_line(error)}); {remedy}") from error
    if not content:
        raise DataError(f"{named} is empty; fetch it again")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            form, size = str(picture.format), picture.size
            frames = getattr(picture, "n_frames", 1) if form == "GIF" else 1
            orientation = rotation.of_image(picture)
            picture.load()
    except Exception as error:  # Pillow raises many kinds for damaged files
        known = recognition.recognize(content[:recognition.HEAD])
        if known and not known.name.endswith("image"):
            raise DataError(f"{named} is {known.name}; {known.remedy}") from error
        raise DataError(f"{named} is damaged ({error}); fetch it again") from error
    if form not in _FORMATS or frames > 1:
        what = f"a GIF of {frames} frames" if frames > 1 else form
        raise DataError(f"{named} is {what}, which TensorFlow's decoder does not read; convert it to JPEG or PNG")
    if size != (image["width"], image["height"]):
        turned = f" ({orientation.text()})" if orientation else ""
        remedy = ("annotate it as it is stored, or turn its pixels and remove the mark"
                  if orientation and size[::-1] == (image["width"], image["height"])
                  else "use the annotations that belong to these images")
        raise DataError(f"{named} is {size[0]}x{size[1]}{turned}, but its annotation says "
                        f"{image['width']}x{image['height']}; {remedy}")
    return _Image(content, _FORMATS[form], orientation)


def _path(folder: Path, image: Mapping[str, Any]) -> Path:
    """Where an image is: under its file_name, or what that means where it was written on Windows."""
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"image {image['id']} has no file_name; repair the annotation file")
    if len(name) > _LONGEST_NAME:
        raise DataError(f"image {image['id']} has a file_name of {len(name)} characters; repair the annotation file")
    with contextlib.suppress(OSError, ValueError):
        if not (folder / name).exists():
            path = folder / name.replace("\\", "/")
            if path.exists():
                return path
            # There upper and lower case are alike.
            alike = [other for other in path.parent.iterdir() if other.name.lower() == path.name.lower()]
            if len(alike) == 1:
                return alike[0]
    return folder / name


def _where(folder: Path, name: str) -> str:
    """What to do about an image that is not there."""
    with contextlib.suppress(OSError, ValueError):
        plain = name.replace("\\", "/")
        if (folder.resolve().parent / plain).is_file():
            return f"file names are relative to the folder above: give --image-dir {folder.resolve().parent}"
        if (folder / Path(plain).name).is_file():
            return f"{folder} has it as {Path(plain).name}: repair its file_name"
    return "complete the image folder"


def _int64(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Sequence[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
