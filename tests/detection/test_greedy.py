"""Suppression in numpy against TensorFlow's kernel, class by class."""

from typing import Iterator

import numpy as np
import pytest

from quant_accuracy.detection import greedy, kernel
from quant_accuracy.detection.kernel import Kernel, Parameters

_LIMITS = Parameters(iou_threshold=0.5, score_threshold=0.0, per_class=12, total=100)
_SIZES = (1, 0, 40, 7, 90)


@pytest.fixture(scope="module")
def tensorflow() -> Iterator[Kernel]:
    with kernel.open_kernel(_LIMITS) as opened:
        yield opened


def _boxes(count: int, random: np.random.RandomState) -> np.ndarray:
    corner = random.uniform(-0.3, 1.0, [count, 2])
    boxes = np.concatenate([corner, corner + random.uniform(0.05, 0.6, [count, 2])], axis=1).astype(np.float32)
    # Corners may come in either order.
    return np.asarray(boxes[:, [2, 3, 0, 1]] if random.uniform() < 0.5 else boxes)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_is_what_tensorflow_keeps(tensorflow: Kernel, seed: int) -> None:
    random = np.random.RandomState(seed)
    parts = [_boxes(size, random) for size in _SIZES]
    boxes = np.concatenate(parts)
    classes = np.repeat(np.arange(len(_SIZES)), _SIZES)

    kept, unsettled = greedy.kept(boxes, classes, _LIMITS.iou_threshold, _LIMITS.per_class)

    assert unsettled.tolist() == []
    for number, of_class in enumerate(parts):
        if not len(of_class):
            continue
        scores = np.linspace(1, 0.1, len(of_class), dtype=np.float32)
        wanted = tensorflow.kept(of_class, scores[None], 0.0, np.array([_LIMITS.per_class], np.int32))[0]
        assert np.flatnonzero(kept[classes == number]).tolist() == wanted.tolist()


@pytest.mark.parametrize("iou", [0.25, 0.5, 1 / 3, 0.6])
def test_an_iou_next_to_the_threshold_is_decided_as_tensorflow_does_and_the_very_threshold_is_not(iou: float) -> None:
    # They share a part of their width.
    offset = 2 * (1 - iou) / (1 + iou)
    boxes = np.array([[0, 0, 1, 2], [0, offset, 1, offset + 2]], np.float32)
    shared = np.maximum(boxes[0, 3] - boxes[1, 1], np.float32(0))
    areas = boxes[:, 3] - boxes[:, 1]
    exact = shared / (areas[0] + areas[1] - shared)
    assert abs(exact - iou) < 1e-6

    for limit in (np.nextafter(exact, np.float32(0)), np.nextafter(exact, np.float32(1))):
        with kernel.open_kernel(_LIMITS._replace(iou_threshold=float(limit))) as opened:
            wanted = opened.kept(boxes, np.array([[0.9, 0.8]], np.float32), 0.0, np.array([2], np.int32))[0]
        kept, unsettled = greedy.kept(boxes, np.array([3, 3]), float(limit), 2)
        assert np.flatnonzero(kept).tolist() == wanted.tolist()
        assert unsettled.tolist() == []
    assert greedy.kept(boxes, np.array([3, 3]), float(exact), 2)[1].tolist() == [3]


def test_boxes_without_an_area_or_with_an_infinite_one_do_not_drop_themselves() -> None:
    boxes = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0.2, 0.3, 0.2, 0.3], [0, 0, np.inf, 1],
                      [-3e38, -3e38, 3e38, 3e38], [0, 0, np.nan, 1]], np.float32)

    assert greedy.drop_themselves(boxes, 0.6).tolist() == [True, True, False, False, False, False, False]
    assert not greedy.drop_themselves(boxes, 1.0).any()


def test_nothing_is_kept_of_nothing() -> None:
    empty = np.zeros(0, np.int64)

    kept, unsettled = greedy.kept(np.zeros([0, 4], np.float32), empty, 0.5, 10)

    assert kept.tolist() == unsettled.tolist() == []
