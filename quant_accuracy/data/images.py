"""Stream decoded, resized images out of TFRecord shards.

Default preprocessing, as in the published evaluation: bilinear `tf.image.resize_images` (corners not aligned), the
result truncated to uint8.
"""

import os
from collections import Counter
from typing import Any, Callable, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError, first_line
from quant_accuracy.data import framing, records
from quant_accuracy.data.records import UnusableError
from quant_accuracy.data.shards import Shard
from quant_accuracy.graph import sessions

PREPROCESSING = "decode (JPEG or PNG, 3 channels), bilinear resize without aligned corners, truncate to uint8"
_UNRESIZED = "decode (JPEG or PNG, 3 channels)"


def preprocessing(height: int, width: int) -> str:
    """What is done to an image before the graph gets it, in words."""
    return PREPROCESSING if height and width else _UNRESIZED


class Batch(NamedTuple):
    """Some images of one shard, in the order of its records.

    Attributes:
        shard: Position of the shard among those that are streamed.
        image_ids: int64 [n] COCO image ids.
        sizes: int32 [n, 2] original height and width in pixels.
        images: uint8 [n, height, width, 3], resized.
    """

    shard: int
    image_ids: np.ndarray
    sizes: np.ndarray
    images: np.ndarray


def stream(shards: Iterable[Shard], batch_size: int, height: int, width: int) -> Iterator[Batch]:
    """Decode and resize the images of some shards, in order; no batch spans two shards.

    Args:
        shards: Where to read; of each, the first `records` records. The next one is asked for when it is needed.
        batch_size: Images per batch; the last batch of a shard may be smaller.
        height: Height to resize to; 0 leaves images as they are, which takes batches of one.
        width: Width to resize to; 0 likewise.

    Raises:
        DataError: A record is damaged, is not an image, or has no id; file and record are named.
    """
    with tf.Graph().as_default() as graph:
        path, form, count = (tf.placeholder(dtype, []) for dtype in (tf.string, tf.string, tf.int64))
        batches = tf.data.make_initializable_iterator(_dataset(path, form, count, batch_size, height, width))
        following = batches.get_next()
    with sessions.session_of(graph) as session:
        for position, shard in enumerate(shards):
            session.run(batches.initializer, {path: str(shard.path), form: _compression(shard),
                                              count: shard.records})
            while True:
                try:
                    image_ids, sizes, images = session.run(following)
                except tf.errors.OutOfRangeError:
                    break
                except tf.errors.OpError as error:
                    _diagnose(shard, height, width)
                    raise DataError(f"{shard.path}: cannot be read ({first_line(error)}); "
                                    "copy the file again") from error
                yield Batch(position, image_ids, sizes, images)


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


def read_ids(shard: Shard) -> List[int]:
    """The image ids in a shard's evaluated records, read record by record and without decoding an image.

    Raises:
        DataError: A record is damaged or has no id.
    """
    return _read_each(shard, records.image_id)


class Marks(NamedTuple):
    """What records say of themselves.

    Attributes:
        ids: Their image ids, in order.
        labels: The category ids of their objects, with how many records name them.
    """

    ids: List[int]
    labels: Mapping[int, int]


def read_marks(shard: Shard) -> Marks:
    """The image ids and category ids in a shard's evaluated records, without decoding an image.

    Raises:
        DataError: A record is damaged or has no id.
    """
    found = _read_each(shard, lambda content: (records.image_id(content), records.labels(content)))
    return Marks([image for image, _ in found], Counter(label for _, labels in found for label in labels))


def _read_each(shard: Shard, read: Callable[[bytes], Any]) -> List[Any]:
    found = []
    contents = _contents(shard)
    for number in range(shard.records):
        try:
            content = next(contents)
        except (StopIteration, tf.errors.OpError) as error:
            raise _damaged(shard, number, error) from error
        try:
            found.append(read(content))
        except UnusableError as error:
            raise DataError(f"{shard.path}: record {number} {error}") from error
    return found


def _compression(shard: Shard) -> str:
    try:
        return framing.compression(shard.path)
    except OSError as error:
        raise DataError(f"{shard.path}: {os.strerror(error.errno or 0)}; make the file readable") from error


def _contents(shard: Shard) -> Iterator[bytes]:
    """A shard's records, as TensorFlow reads them."""
    return tf.io.tf_record_iterator(str(shard.path), tf.io.TFRecordOptions(_compression(shard)))  # type: ignore[no-any-return]


def _damaged(shard: Shard, number: int, error: Exception) -> DataError:
    return DataError(f"{shard.path}: record {number} is damaged ({first_line(error)}); {framing.REMEDY}")


def _dataset(path: tf.Tensor, form: tf.Tensor, count: tf.Tensor, batch_size: int, height: int, width: int) -> Any:
    images = tf.data.TFRecordDataset(path, form).take(count)
    parsed = images.map(lambda record: _parse(record, height, width), num_parallel_calls=concurrency.cores())
    return parsed.batch(batch_size).prefetch(2 * concurrency.cores())


def _parse(record: tf.Tensor, height: int, width: int) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    image_id, encoded = tf.py_func(records.fields, [record], [tf.int64, tf.string], stateful=False)
    image_id.set_shape([])
    # The kernel goes by the bytes: it decodes PNG as well.
    image = tf.image.decode_jpeg(encoded, channels=3)
    size = tf.shape(image)[:2]
    resized = tf.cast(tf.image.resize_images(image, [height, width]), tf.uint8) if height and width else image
    return image_id, size, resized


def _diagnose(shard: Shard, height: int, width: int) -> None:
    """Read a shard record by record and raise a DataError at the first damage; return when there is none."""
    with tf.Graph().as_default() as graph:
        record = tf.placeholder(tf.string, [])
        parsed = _parse(record, height, width)
    contents = _contents(shard)
    with tf.Session(graph=graph) as session:
        for number in range(shard.records):
            try:
                content = next(contents)
            except StopIteration:
                return
            except tf.errors.OpError as error:
                raise _damaged(shard, number, error) from error
            named = f"{shard.path}: record {number}{records.name(content)}"
            try:
                records.fields(content)
                session.run(parsed, {record: content})
            except UnusableError as error:
                raise DataError(f"{named} {error}") from error
            except tf.errors.OpError as error:
                raise DataError(f"{named} {records.unreadable(first_line(error))}") from error
