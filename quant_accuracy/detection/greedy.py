"""Greedy suppression of overlaps in numpy: for few boxes, none of whose scores leave their order open.

What it computes is what TensorFlow's kernel computes, in the same type and order, so that the result is the same to
the last bit. Where versions of TensorFlow differ it says so instead: 1.15 drops a box whose IoU with a better one is
the very threshold, 2.x does not.
"""

from typing import Tuple

import numpy as np


def drop_themselves(boxes: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Whether each box overlaps itself by more than the threshold; those with no area, or an infinite one, do not.

    TensorFlow 1.15 keeps a box that does not again and again, until its class is full.
    """
    with np.errstate(all="ignore"):
        area = _areas(*_corners(boxes))
        return np.asarray(area / (area + area - area) > np.float32(iou_threshold))


def kept(boxes: np.ndarray, classes: np.ndarray, iou_threshold: float,
         per_class: int) -> Tuple[np.ndarray, np.ndarray]:
    """Which boxes overlap no better one of their class that is kept.

    Args:
        boxes: float32 [k, 4] ymin, xmin, ymax, xmax; class by class, the best of each class first. Each overlaps itself
            (`drop_themselves`).
        classes: int [k], ascending.
        iou_threshold: More than this IoU is an overlap.
        per_class: At most so many are kept of a class.

    Returns:
        Which are kept, bool [k], and the classes that have an IoU of the very threshold: what is kept of them depends
        on the version of TensorFlow.
    """
    starts = np.searchsorted(classes, classes)
    better, worse = _same_class(np.arange(len(classes)), starts)
    iou, limit = _iou(boxes, better, worse), np.float32(iou_threshold)
    overlapping = iou > limit
    alive = [True] * len(classes)
    # By the worse one, ascending: whether the better one is kept is settled when its turn comes.
    for first, second in zip(better[overlapping].tolist(), worse[overlapping].tolist()):
        if alive[first]:
            alive[second] = False
    found = np.array(alive, bool)
    before = np.cumsum(found) - found
    return found & (before - before[starts] < per_class), classes[worse[~(overlapping | (iou < limit))]]


def _same_class(places: np.ndarray, starts: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """All pairs of a class: the better ones and the worse ones."""
    ahead = places - starts
    worse = np.repeat(places, ahead)
    first = np.repeat(np.cumsum(ahead) - ahead, ahead)
    return starts[worse] + np.arange(len(worse)) - first, worse


def _corners(boxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Least and greatest y, least and greatest x."""
    return (np.minimum(boxes[:, 0], boxes[:, 2]), np.maximum(boxes[:, 0], boxes[:, 2]),
            np.minimum(boxes[:, 1], boxes[:, 3]), np.maximum(boxes[:, 1], boxes[:, 3]))


def _areas(top: np.ndarray, bottom: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (bottom - top) * (right - left)


def _iou(boxes: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The IoU of pairs, float32."""
    top, bottom, left, right = corners = _corners(boxes)
    area = _areas(*corners)
    height = np.minimum(bottom[one], bottom[other]) - np.maximum(top[one], top[other])
    width = np.minimum(right[one], right[other]) - np.maximum(left[one], left[other])
    zero = np.float32(0)
    shared = np.maximum(height, zero) * np.maximum(width, zero)
    return np.asarray(shared / (area[one] + area[other] - shared))
