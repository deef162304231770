"""Stream decoded, resized images out of TFRecord shards.

Default preprocessing, as in the published evaluation: bilinear `tf.image.resize_images` (corners not aligned), the
result truncated to uint8.
"""

import contextlib
import os
from collections import Counter
from typing import Any, Callable, Iterable, Iterator, List, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError, first_line
from quant_accuracy.data import framing, records
from quant_accuracy.data.records import UnusableError
from quant_accuracy.data.shards import Shard
from quant_accuracy.graph import callables, sessions

PREPROCESSING = "decode (JPEG or PNG, 3 channels), bilinear resize without aligned corners, truncate to uint8"
_UNRESIZED = "decode (JPEG or PNG, 3 channels)"


def preprocessing(height: int, width: int) -> str:
    """What is done to an image before the graph gets it, in words."""
    return PREPROCESSING if height and width else _UNRESIZED


class Encoded(NamedTuple):
    """Some records of one shard, as they are in its file.

    Attributes:
        position: Position of the shard among those that are read.
        shard: The shard.
        first: The number of the first of the records.
        contents: The records.
    """

    position: int
    shard: Shard
    first: int
    contents: Sequence[bytes]


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
    """Decode and resize the images of some shards, in order, on all cores; no batch spans two shards.

    Args:
        shards: Where to read; of each, the first `records` records. The next one is asked for when it is needed.
        batch_size: Images per batch; the last batch of a shard may be smaller.
        height: Height to resize to; 0 leaves images as they are, which takes batches of one.
        width: Width to resize to; 0 likewise.

    Raises:
        DataError: A record is damaged, is not an image, or has no id; file and record are named.
    """
    with open_decoder(height, width) as decode:
        yield from concurrency.run_concurrently(decode, read(shards, batch_size))


def read(shards: Iterable[Shard], batch_size: int) -> Iterator[Encoded]:
    """The records of some shards, in order, not decoded; as `stream` has them.

    Raises:
        DataError: A record is damaged; file and record are named, and those before it are given first.
    """
    for position, shard in enumerate(shards):
        contents, number = _contents(shard), 0
        waiting: List[bytes] = []
        damage = None
        while number < shard.records and damage is None:
            try:
                waiting.append(next(contents))
                number += 1
            except StopIteration:
                break
            except tf.errors.OpError as error:
                damage = error
            if len(waiting) == batch_size:
                yield Encoded(position, shard, number - len(waiting), waiting)
                waiting = []
        if waiting:
            yield Encoded(position, shard, number - len(waiting), waiting)
        if damage is not None:
            raise _damaged(shard, number, damage) from damage


@contextlib.contextmanager
def open_decoder(height: int, width: int) -> Iterator[Callable[[Encoded], Batch]]:
    """Give a function from records to their images; threads may share it.

    Args:
        height: Height to resize to; 0 leaves images as they are, which takes batches of one.
        width: Width to resize to; 0 likewise.

    The function raises a DataError where a record is not an image or has no id; file and record are named.
    """
    with tf.Graph().as_default() as graph:
        # The kernel goes by the bytes: it decodes PNG as well.
        image = tf.image.decode_jpeg(tf.placeholder(tf.string, [], name="encoded"), channels=3)
        size = tf.shape(image)[:2]
        resized = tf.cast(tf.image.resize_images(image, [height, width]), tf.uint8) if height and width else image
    with sessions.session_of(graph, callables.in_this_thread()) as session:
        decode = callables.make(session, [size.name, resized.name], ["encoded:0"])
        yield lambda encoded: _decoded(decode, encoded)


def _decoded(decode: Callable[..., Sequence[np.ndarray]], encoded: Encoded) -> Batch:
    ids, sizes, found = [], [], []
    for number, content in enumerate(encoded.contents, encoded.first):
        try:
            image_id, image = records.fields(content)
            size, pixels = decode(image)
        except (UnusableError, tf.errors.OpError) as error:
            problem = str(error) if isinstance(error, UnusableError) else records.unreadable(first_line(error))
            raise DataError(f"{encoded.shard.path}: record {number}{records.name(content)} {problem}") from error
        ids.append(image_id)
        sizes.append(size)
        found.append(pixels)
    return Batch(encoded.position, np.array(ids, np.int64), np.stack(sizes),
                 np.stack(found) if len(found) > 1 else found[0][None])


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
