"""TensorFlow's kernel, class by class."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.detection import kernel
from quant_accuracy.detection.kernel import Parameters

_LIMITS = Parameters(iou_threshold=0.6, score_threshold=1e-8, per_class=20, total=30)
_BOXES = 300


def _plain(boxes: np.ndarray, scores: np.ndarray, limits: np.ndarray, floor: float) -> list:
    """Of one class after the other, with no score changed."""
    with tf.Graph().as_default(), tf.Session() as session:
        kept = [tf.image.non_max_suppression(boxes, row, limit, _LIMITS.iou_threshold, _LIMITS.score_threshold)
                for row, limit in zip(scores, limits)]
        return [index[row[index] >= floor].tolist() for index, row in zip(session.run(kept), scores)]


@pytest.mark.parametrize("classes", [1, 3, 4, 9, 20, 33])
@pytest.mark.parametrize("levels", [3, 12, 100000])
def test_each_class_is_suppressed_as_if_it_were_alone_with_all_its_scores(classes: int, levels: int) -> None:
    random = np.random.RandomState(classes * levels)
    corner = random.uniform(-0.1, 0.9, [_BOXES, 2])
    boxes = np.concatenate([corner, corner + random.uniform(0.05, 0.4, [_BOXES, 2])], axis=1).astype(np.float32)
    # Some boxes have no area: TensorFlow 1.15 keeps such a one again and again.
    boxes[::17, 2] = boxes[::17, 0]
    scores = np.round(random.uniform(size=[classes, _BOXES]) ** 4 * levels).astype(np.float32) / levels
    floor = float(np.quantile(scores, 0.8))
    limits = np.minimum((scores >= floor).sum(axis=1), 20).astype(np.int32)

    with kernel.open_kernel(_LIMITS) as opened:
        found = opened.kept(boxes, scores, floor, limits)

    assert [index.tolist() for index in found] == _plain(boxes, scores, limits, floor)


@pytest.mark.parametrize("threshold", [1e-8, 0.0, -np.inf, 0.3, 1e30])
def test_what_settles_equal_scores_is_told_whatever_the_score_threshold(threshold: float) -> None:
    with kernel.open_kernel(_LIMITS._replace(score_threshold=threshold)) as opened:
        assert opened.index_settles_ties == (re.match(r"1\.", tf.__version__) is None)
