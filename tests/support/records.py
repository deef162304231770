"""One picture in any format, and records and shards of it as any writer may make them."""

import io
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.data import images, records, shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.settings.card import DataPaths
from tests.fuzz.data_kinds import framed


def write_framed(data: DataPaths, *contents: bytes) -> None:
    """Fill the only shard of a data set with these records."""
    (path,) = data.dataset_dir.glob(data.pattern)
    path.write_bytes(b"".join(map(framed, contents)))


def example_of(**features: bytes) -> bytes:
    """A record of these features alone, `_` for the slash in their names."""
    found = {name.replace("_", "/", 1): tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
             for name, value in features.items()}
    return bytes(tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString())


def odd_folder(coco_folder: Callable[..., Path], content: bytes, name: str = "odd.jpg", **image: Any) -> Path:
    """COCO's layout with one image, number 7."""
    entry = {"id": 7, "file_name": name, "width": 60, "height": 40, **image}
    folder = coco_folder(images=[entry], annotations=[])
    (folder / "odd.jpg").write_bytes(content)
    return folder


SIZE = (40, 60)
PIXELS = np.kron(np.random.RandomState(0).randint(0, 256, (5, 6, 3)), np.ones((8, 10, 1))).astype(np.uint8)


def encoded(form: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """The same picture in any format."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def as_bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def as_int64(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def as_float(*values: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**features: Optional[tf.train.Feature]) -> bytes:
    """A record of image 7 with these features, `__` for a slash in their names; None leaves one out."""
    found: Dict[str, Optional[tf.train.Feature]] = {"image/source_id": as_bytes(b"7"),
                                                    "image/encoded": as_bytes(encoded())}
    found.update({name.replace("__", "/"): value for name, value in features.items()})
    return bytes(tf.train.Example(features=tf.train.Features(
        feature={name: value for name, value in found.items() if value is not None})).SerializeToString())


def write(folder: Path, *contents: bytes, compression: str = "") -> Shard:
    """A shard of these records."""
    path = folder / "odd.record"
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression)) as writer:
        for content in contents:
            writer.write(content)
    return shards.find_shards(folder, "odd.record")[0]


def read_in_all_ways(shard: Shard) -> images.Batch:
    """Read a shard in each of the ways that there are, which have to agree."""
    (batch,) = images.stream([shard], 4, 20, 30)
    assert images.read_ids(shard) == batch.image_ids.tolist()
    found = records.read_encoded(shard.path, range(shard.records))
    assert [found[number].image_id for number in range(shard.records)] == batch.image_ids.tolist()
    return batch


def of_tensorflow(content: bytes) -> np.ndarray:
    """The image as TensorFlow decodes it."""
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.image.decode_image(content, channels=3, expand_animations=False)
        return np.asarray(session.run(image))
