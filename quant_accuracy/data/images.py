"""Stream decoded, resized images out of TFRecord shards.

Default preprocessing, as in the published evaluation: bilinear `tf.image.resize_images` (corners not aligned), the
result truncated to uint8.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import sessions
from quant_accuracy.data.shards import Shard
from quant_accuracy.errors import DataError, first_line

PREPROCESSING = "decode (JPEG or PNG, 3 channels), bilinear resize without aligned corners, truncate to uint8"

_SPEC = {
    "image/encoded": tf.FixedLenFeature([], tf.string),
    "image/source_id": tf.FixedLenFeature([], tf.string),
}


class Batch(NamedTuple):
    """Some images of one shard, in the order of its records.

    Attributes:
        shard: Position of the shard in the list that is streamed.
        image_ids: int64 [n] COCO image ids.
        sizes: int32 [n, 2] original height and width in pixels.
        images: uint8 [n, height, width, 3], resized.
    """

    shard: int
    image_ids: np.ndarray
    sizes: np.ndarray
    images: np.ndarray


def stream(shards: Sequence[Shard], batch_size: int, height: int, width: int) -> Iterator[Batch]:
    """Decode and resize the images of some shards, in order; no batch spans two shards.

    Args:
        shards: Where to read; of each, the first `records` records.
        batch_size: Images per batch; the last batch of a shard may be smaller.
        height: Height to resize to.
        width: Width to resize to.

    Raises:
        DataError: A record is damaged, is not an image, or has no integer source_id; file and record are named.
    """
    if not shards:
        return
    with tf.Graph().as_default() as graph:
        batches = _dataset(shards, batch_size, height, width)
        following = tf.data.make_one_shot_iterator(batches).get_next()
    current = 0
    with tf.Session(graph=graph, config=sessions.config()) as session:
        while True:
            try:
                position, source_ids, sizes, images = session.run(following)
            except tf.errors.OutOfRangeError:
                return
            except tf.errors.OpError as error:
                # Batches are made ahead: the damage lies in this shard or in one of the next.
                for shard in shards[current:]:
                    _diagnose(shard, height, width)
                raise DataError(f"{shards[current].path}: cannot be read ({first_line(error)}); "
                                "copy the file again") from error
            current = int(position[0])
            yield Batch(current, _image_ids(shards[current].path, source_ids), sizes, images)


def read_images(shards: Sequence[Shard], count: int, height: int, width: int) -> List[np.ndarray]:
    """The first `count` images of some shards, each uint8 [1, height, width, 3].

    Raises:
        DataError: There are fewer, or a record is damaged.
    """
    found: List[np.ndarray] = []
    batches = stream(shards, 1, height, width)
    try:
        for batch in batches:
            found.append(batch.images)
            if len(found) == count:
                return found
    finally:
        batches.close()  # type: ignore[attr-defined]
    raise DataError(f"{shards[0].path.parent if shards else 'the data set'}: holds {len(found)} images where {count} "
                    "are needed for calibration; lower --calibration-images or give more shards")


def _dataset(shards: Sequence[Shard], batch_size: int, height: int, width: int) -> Any:
    files = tf.data.Dataset.from_tensor_slices((
        np.arange(len(shards), dtype=np.int32),
        np.array([str(shard.path).encode("utf-8") for shard in shards]),
        np.array([shard.records for shard in shards], np.int64),
    ))

    def open_shard(position: tf.Tensor, path: tf.Tensor, records: tf.Tensor) -> Any:
        def parse(record: tf.Tensor) -> Tuple[tf.Tensor, ...]:
            return (position, *_parse(record, height, width))

        images = tf.data.TFRecordDataset(path).take(records)
        return images.map(parse, num_parallel_calls=sessions.cores()).batch(batch_size)

    return files.flat_map(open_shard).prefetch(2 * sessions.cores())


def _parse(record: tf.Tensor, height: int, width: int) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    parsed: Dict[str, tf.Tensor] = tf.parse_single_example(record, _SPEC)
    # The kernel goes by the bytes: it decodes PNG as well.
    image = tf.image.decode_jpeg(parsed["image/encoded"], channels=3)
    size = tf.shape(image)[:2]
    resized = tf.cast(tf.image.resize_images(image, [height, width]), tf.uint8)
    return parsed["image/source_id"], size, resized


def _image_ids(path: Path, source_ids: np.ndarray) -> np.ndarray:
    found = []
    for source_id in source_ids:
        text = source_id.decode("utf-8", "replace")
        if not text.isdigit() or len(text) > 18:
            raise DataError(f"{path}: the source_id {text!r} is not a COCO image id; "
                            "make the file with tools/create_coco_tfrecords.py")
        found.append(int(text))
    return np.array(found, np.int64)


def _diagnose(shard: Shard, height: int, width: int) -> None:
    """Read a shard record by record and raise a DataError at the first damage; return when there is none."""
    with tf.Graph().as_default() as graph:
        record = tf.placeholder(tf.string, [])
        parsed = _parse(record, height, width)
    remedy = "copy the file again or make it with tools/create_coco_tfrecords.py"
    number = 0
    with tf.Session(graph=graph) as session:
        records = tf.io.tf_record_iterator(str(shard.path))
        while number < shard.records:
            try:
                content = next(records)
            except StopIteration:
                return
            except tf.errors.OpError as error:
                raise DataError(f"{shard.path}: record {number} is damaged ({first_line(error)}); {remedy}") from error
            try:
                session.run(parsed, {record: content})
            except tf.errors.OpError as error:
                raise DataError(f"{shard.path}: record {number} ({_name(content)}) is not a readable image "
                                f"({first_line(error)}); {remedy}") from error
            number += 1


def _name(content: bytes) -> str:
    try:
        value = tf.train.Example.FromString(content).features.feature["image/source_id"].bytes_list.value
    except Exception:  # any damage: protobuf raises several kinds
        return "not a tf.train.Example"
    return f"source_id {value[0].decode('utf-8', 'replace')}" if value else "without source_id"
