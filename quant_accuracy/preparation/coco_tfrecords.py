"""From COCO's own layout to sharded TFRecords, with the fields of the Object Detection API's converter.

An image keeps its bytes as they are, JPEG or PNG, colour or grayscale; images without objects and crowds are kept.
"""

import hashlib
import io
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy import files, progress
from quant_accuracy.data import annotations
from quant_accuracy.errors import ConfigurationError, DataError, StorageError, first_line

_LONGEST_NAME = 1000


class Converted(NamedTuple):
    """What a conversion wrote.

    Attributes:
        shards: The TFRecord files, in order.
        images: Number of images written.
        boxes: Number of ground-truth boxes written.
        dropped: One line for each box that was left out, and why.
    """

    shards: Sequence[Path]
    images: int
    boxes: int
    dropped: Sequence[str]


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
                writers[index % shard_count].write(_example(image_folder, image, kept, coco.categories))
            for writer in writers:
                writer.close()
        except tf.errors.OpError as error:
            raise StorageError(f"{output_prefix}: cannot be written ({first_line(error)}); free some space, or name "
                               "another place") from error
    return Converted(targets, len(coco.images), boxes, dropped)


def _unusable(thing: Mapping[str, Any], image: Mapping[str, Any]) -> str:
    """The reason why a box cannot be a training target, in the Object Detection API's terms; empty when it can."""
    x, y, width, height = thing["bbox"]
    if width <= 0 or height <= 0:
        return "the box is empty"
    # Annotators' boxes touch the border: half a pixel of rounding is no contradiction.
    if x < -0.5 or y < -0.5 or x + width > image["width"] + 0.5 or y + height > image["height"] + 0.5:
        return "the box leaves the image"
    return ""


def _example(folder: Path, image: Mapping[str, Any], things: Sequence[Mapping[str, Any]],
             categories: Mapping[int, str]) -> bytes:
    content, image_format = _read_image(folder, image)
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
        "image/format": _bytes(image_format.encode("ascii")),
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


def _read_image(folder: Path, image: Mapping[str, Any]) -> Tuple[bytes, str]:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"image {image['id']} has no file_name; repair the annotation file")
    if len(name) > _LONGEST_NAME:
        raise DataError(f"image {image['id']} has a file_name of {len(name)} characters; repair the annotation file")
    path = folder / name
    try:
        # What a symbolic link leads to counts, not where the link is.
        if folder.resolve() not in path.resolve().parents:
            raise DataError(f"{path}: image {image['id']} lies outside {folder}; repair its file_name")
        content = path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        # RuntimeError: links in a circle. ValueError: a name that no file can have.
        raise DataError(f"{path}: image {image['id']} cannot be read ({first_line(error)}); "
                        "complete the image folder") from error
    try:
        with Image.open(io.BytesIO(content)) as picture:
            image_format, size = picture.format, picture.size
            picture.load()
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise DataError(f"{path}: image {image['id']} is damaged ({error}); fetch it again") from error
    if image_format not in ("JPEG", "PNG"):
        raise DataError(f"{path}: image {image['id']} is {image_format}; convert it to JPEG or PNG")
    if size != (image["width"], image["height"]):
        raise DataError(f"{path}: image {image['id']} is {size[0]}x{size[1]}, but its annotation says "
                        f"{image['width']}x{image['height']}; use the annotations that belong to these images")
    return content, image_format.lower()


def _int64(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Sequence[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
