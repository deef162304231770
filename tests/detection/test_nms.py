"""Suppression against the Object Detection API's own."""

from typing import Callable, Iterator, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.detection import nms
from quant_accuracy.detection.nms import Detections
from tests.support import lanes

pytestmark = lanes.needs_object_detection

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
    return boxes, scores.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["all different", "many ties", "few detections", "one level", "nothing"])
def test_suppression_equals_the_object_detection_apis_to_the_last_bit(reference: Suppress, kind: str,
                                                                      seed: int) -> None:
    boxes, scores = _scene(kind, seed)

    with nms.open_suppression(_LIMITS) as suppress:
        found = suppress(boxes, scores)

    for ours, theirs in zip(found, reference(boxes, scores)):
        np.testing.assert_array_equal(ours, theirs)
