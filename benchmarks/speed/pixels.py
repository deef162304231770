"""What an image costs before and behind the network: decoding and resizing, suppression of overlaps."""

import statistics
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.speed.setting import demo_card, shards_of, show
from quant_accuracy.artifacts import build
from quant_accuracy.base import concurrency
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.detection import nms
from quant_accuracy.detection.nms import Suppress
from quant_accuracy.graph import sessions
from quant_accuracy.graph.sessions import GraphSession

_ROUNDS = 5
_SIDE = 300


def measure_decoding(cache: Cache, scratch: Path) -> None:
    """CPU time of an image, from the shard to its pixels, against TensorFlow's own input pipeline."""
    shards = shards_of(ready.data_paths(cache))
    for own, plain in zip(images.stream(shards, 1, _SIDE, _SIDE), _pipeline(shards)):
        np.testing.assert_array_equal(own.images, plain)
    count = sum(shard.records for shard in shards)
    ratio, times = _compared({
        "own": lambda: _exhaust(images.stream(shards, 1, _SIDE, _SIDE)),
        "tf.data": lambda: _exhaust(_pipeline(shards)),
    }, count)
    show(f"decoding and resizing, CPU time, ours ({times[0]:.2f} ms an image) / tf.data ({times[1]:.2f} ms)", ratio, "",
         "<= 1.2")


def _exhaust(items: Iterator[object]) -> None:
    for _ in items:
        pass


def _pipeline(shards: Sequence[Shard]) -> Iterator[np.ndarray]:
    """The same pixels as TensorFlow's documentation has them read."""
    def parse(record: tf.Tensor) -> tf.Tensor:
        encoded = tf.parse_single_example(record, {"image/encoded": tf.FixedLenFeature([], tf.string)})
        image = tf.image.decode_jpeg(encoded["image/encoded"], channels=3)
        return tf.cast(tf.image.resize_images(image, [_SIDE, _SIDE]), tf.uint8)

    with tf.Graph().as_default() as graph:
        records = tf.data.TFRecordDataset([str(shard.path) for shard in shards])
        batches = records.map(parse, num_parallel_calls=concurrency.cores()).batch(1).prefetch(2 * concurrency.cores())
        following = tf.data.make_one_shot_iterator(batches).get_next()
    with tf.Session(graph=graph, config=sessions.config()) as session:
        while True:
            try:
                yield session.run(following)
            except tf.errors.OutOfRangeError:
                return


def measure_suppression(cache: Cache, scratch: Path) -> None:
    """CPU time of an image, from decoded boxes and scores to detections, against the graph's own ops."""
    data, model = ready.data_paths(cache), demo_card()
    built = build.build(model, data.checkpoint, shards_of(data), cache)
    suppression = built.suppression
    assert suppression is not None
    before = suppression.postprocessing
    pictures = images.read_images(shards_of(data), 50, model.height, model.width)
    fetches = [name + ":0" for name in model.graph.detections]
    limits = nms.Parameters(before.iou_threshold, before.score_threshold, before.per_class, suppression.total)
    with nms.open_suppression(limits) as suppress:
        for variant in (FLOAT, QUANTIZED):
            with sessions.open_session(built.graph(variant)) as session:
                ratio, times = _suppressions(session, suppress, [before.boxes, before.scores], fetches,
                                             [{model.graph.image_input + ":0": picture} for picture in pictures])
            show(f"suppression, CPU time, {variant}, ours ({times[0]:.2f} ms an image) / the graph's own "
                 f"({times[1]:.2f} ms)", ratio, "", "<= 0.1")


def _suppressions(session: GraphSession, suppress: Suppress, before: Sequence[str], behind: Sequence[str],
                  feeds: Iterable[Dict[str, np.ndarray]]) -> Tuple[float, List[float]]:
    scenes = [{**feed, **dict(zip(before, session.run(before, feed)))} for feed in feeds]
    boxes, scores = before
    return _compared({
        "own": lambda: [suppress(scene[boxes][0, :, 0], scene[scores][0]) for scene in scenes],
        "graph": lambda: [session.run(behind, scene) for scene in scenes],
    }, len(scenes))


def _compared(ways: Dict[str, Callable[[], object]], count: int) -> Tuple[float, List[float]]:
    """The CPU time of one way as a part of that of the other, measured in turn, and each in milliseconds an item."""
    times: Dict[str, List[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            way()
            times[name].append((time.process_time() - start) / count * 1000)
    one, other = times.values()
    return statistics.median(a / b for a, b in zip(one, other)), [statistics.median(of) for of in times.values()]
