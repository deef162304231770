"""Suppression against the Object Detection API's own."""

from typing import Callable, Iterator, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.detection import nms
from quant_accuracy.detection.nms import Detections
from tests.support import lanes

_LIMITS = nms.Parameters(iou_threshold=0.6, score_threshold=1e-8, per_class=20, total=30)
_CLASSES = 40


Suppress = Callable[[np.ndarray, np.ndarray], Detections]


@pytest.fixture(scope="module")
def reference() -> Iterator[Suppress]:
    """The Object Detection API's multi-class suppression."""
    from object_detection.core import post_processing

    with tf.Graph().as_default(), tf.Session() as session:
        boxes, scores = tf.placeholder(tf.float32, [400, 1, 4]), tf.placeholder(tf.float32, [400, _CLASSES])
        found, count = post_processing.multiclass_non_max_suppression(
            boxes, scores, _LIMITS.score_threshold, _LIMITS.iou_threshold, _LIMITS.per_class, _LIMITS.total,
            clip_window=tf.constant([0.0, 0.0, 1.0, 1.0]))
        fetches = [found.get(), found.get_field("scores"), found.get_field("classes"), count]

        def suppress(corners: np.ndarray, values: np.ndarray) -> Detections:
            kept, best, classes, valid = session.run(fetches, {boxes: corners[:, None], scores: values})
            return Detections(kept[:valid], best[:valid], (classes[:valid] + 1).astype(np.int32))

        yield suppress


def _scene(kind: str, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    corner = random.uniform(-0.3, 1.1, size=(400, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.05, 0.5, size=(400, 2))], axis=1).astype(np.float32)
    scores = random.uniform(size=(400, _CLASSES)) ** 8
    if kind == "many ties":
        scores = np.round(scores * 12) / 12
    if kind == "few detections":
        scores = np.where(random.uniform(size=scores.shape) < 0.0005, scores, 0.0)
    if kind == "one level":
        scores = np.full_like(scores, 0.25)
    if kind == "nothing":
        scores = np.zeros_like(scores)
    if kind == "ties in some classes":
        scores[:, ::3] = np.round(scores[:, ::3] * 12) / 12
    if kind == "one place":
        boxes[:] = boxes[0]
    if kind == "no area":
        boxes[::3, 2] = boxes[::3, 0]
    if kind == "outside":
        boxes[::2] += 2
    if kind == "corners swapped":
        boxes = boxes[:, [2, 3, 0, 1]]
    if kind == "on a grid":
        # Many an IoU is the very threshold, 3/5.
        boxes[:, :2] = random.randint(0, 9, [400, 2]) / 8
        boxes[:, 2:] = boxes[:, :2] + random.choice([0.25, 0.375, 0.5, 0.625], [400, 2])
    if kind == "crowded":
        boxes = boxes * np.float32(0.2)
        scores = scores / 10 + 0.9
    if kind == "infinite":
        boxes[::7, 2:] = np.inf
        boxes[::11] *= np.float32(1e30)
    return boxes, scores.astype(np.float32)


_KINDS = ["all different", "many ties", "few detections", "one level", "nothing", "ties in some classes", "one place",
          "no area", "outside", "corners swapped", "on a grid", "crowded", "infinite"]


@pytest.fixture(scope="module")
def plain() -> Iterator[Callable[[np.ndarray, np.ndarray, nms.Parameters], Detections]]:
    """Every class for itself by TensorFlow's kernel, then the best of all."""
    with tf.Graph().as_default() as graph:
        boxes, scores = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.float32, [_CLASSES, None])
        iou, score, count = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, []), tf.placeholder(tf.int32, [])
        kept = [tf.image.non_max_suppression(boxes, scores[number], count, iou, score) for number in range(_CLASSES)]
    with tf.Session(graph=graph) as session:
        def suppress(corners: np.ndarray, values: np.ndarray, limits: nms.Parameters) -> Detections:
            found = session.run(kept, {boxes: corners, scores: values.T, iou: limits.iou_threshold,
                                       score: limits.score_threshold, count: limits.per_class})
            rows, columns = np.concatenate(found), np.repeat(np.arange(_CLASSES), [len(index) for index in found])
            clipped = np.clip(corners[rows], 0, 1)
            visible = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1]) > 0
            rows, columns, clipped = rows[visible], columns[visible], clipped[visible]
            best = np.argsort(-values[rows, columns], kind="stable")[:limits.total]
            return Detections(clipped[best], values[rows, columns][best], columns[best].astype(np.int32) + 1)

        yield suppress


@pytest.mark.parametrize("limits", [
    _LIMITS, _LIMITS._replace(score_threshold=0.0, per_class=3), _LIMITS._replace(score_threshold=0.25, total=400),
    _LIMITS._replace(iou_threshold=0.0), _LIMITS._replace(iou_threshold=1.0), _LIMITS._replace(total=1),
], ids=["usual", "few of a class", "all", "no overlap", "any overlap", "the best"])
def test_detections_are_those_of_each_class_suppressed_alone_to_the_last_bit(
        plain: Callable[[np.ndarray, np.ndarray, nms.Parameters], Detections], limits: nms.Parameters) -> None:
    with nms.open_suppression(limits) as suppress:
        for kind in _KINDS:
            boxes, scores = _scene(kind, 7)
            for ours, alone in zip(suppress(boxes, scores), plain(boxes, scores, limits)):
                assert ours.dtype == alone.dtype
                np.testing.assert_array_equal(ours, alone, err_msg=kind)


@pytest.fixture(scope="module")
def suppress() -> Iterator[Suppress]:
    with nms.open_suppression(_LIMITS) as opened:
        yield opened


@lanes.needs_object_detection
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", _KINDS)
def test_suppression_equals_the_object_detection_apis_to_the_last_bit(reference: Suppress, suppress: Suppress,
                                                                      kind: str, seed: int) -> None:
    boxes, scores = _scene(kind, seed)

    for ours, theirs in zip(suppress(boxes, scores), reference(boxes, scores)):
        np.testing.assert_array_equal(ours, theirs)
