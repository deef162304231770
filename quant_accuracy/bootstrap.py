"""Honest uncertainty: the paired bootstrap over images.

Images are drawn with replacement (Efron 1979) and both variants are scored on the same draw, so that what makes an
image hard cancels out of their difference. Matching does not depend on which other images are drawn: it is done once,
and a draw only weighs each image by how often it came.
"""

import numpy as np

from quant_accuracy import matching
from quant_accuracy.intervals import mean_known
from quant_accuracy.matching import Matches

RESAMPLES = 1000
_SEED = 20191015
# Resamples that are computed at once.
_CHUNK = 250


def draw(images: int, resamples: int = RESAMPLES, seed: int = _SEED) -> np.ndarray:
    """How often each image comes in each resample: int64 [resamples, images], each row sums to the number of images."""
    random = np.random.RandomState(seed)
    return random.multinomial(images, np.full(images, 1.0 / images), size=resamples).astype(np.int64)


def mean_aps(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """COCO's mAP of each resample.

    Args:
        matches: The matches of one variant.
        weights: int64 [r, n] how often each image comes; see `draw`.

    Returns:
        float64 [r]; NaN where a resample has no ground truth.
    """
    return mean_known(class_aps(matches, weights))


def class_aps(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """COCO's AP of each resample and category: float64 [r, c]; NaN where a resample has no ground truth of it."""
    parts = [_class_aps(matches, weights[start:start + _CHUNK]) for start in range(0, len(weights), _CHUNK)]
    return np.concatenate(parts)


def _class_aps(matches: Matches, weights: np.ndarray) -> np.ndarray:
    positives = weights @ matches.positives[:, :, 0]
    found = np.full([len(weights), len(matches.category_ids)], np.nan)
    for category in np.flatnonzero(positives.any(axis=0)):
        rows = matches.ranked(category)
        known = positives[:, category] > 0
        found[known, category] = _average(matches, rows, weights[known], positives[known, category])
    return found


def _average(matches: Matches, rows: np.ndarray, weights: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """AP over all IoU thresholds of one category, for each resample."""
    each = weights[:, matches.images[rows]]
    so_far = np.cumsum(each, axis=1)
    needed = _needed(positives)
    total = np.zeros(len(weights))
    for threshold in range(len(matching.IOU_THRESHOLDS)):
        ignored = matches.ignored[rows, 0, threshold]
        hits = np.flatnonzero(matches.matched[rows, 0, threshold] & ~ignored)
        if not len(hits):
            continue
        right = np.cumsum(each[:, hits], axis=1)
        counted = so_far[:, hits] - _before(each, np.flatnonzero(ignored), hits)
        total += _interpolated(right, right / (counted + np.spacing(1)), needed)
    return total / len(matching.IOU_THRESHOLDS)


def _before(each: np.ndarray, chosen: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The weight of the chosen detections before each position: int64 [r, positions]."""
    sums = np.concatenate([np.zeros([len(each), 1], np.int64), np.cumsum(each[:, chosen], axis=1)], axis=1)
    return np.asarray(sums[:, np.searchsorted(chosen, positions)])


def _needed(positives: np.ndarray) -> np.ndarray:
    """The fewest true positives with which each of COCO's recalls is reached: int64 [r, 101].

    COCO compares floating-point quotients, and so does this: `0.29 * 100` is more than 29.
    """
    count = positives[:, None]
    needed = np.ceil(matching.RECALLS * count)
    needed = np.where((needed - 1) / count >= matching.RECALLS, needed - 1, needed)
    needed = np.where(needed / count < matching.RECALLS, needed + 1, needed)
    return needed.astype(np.int64)


def _interpolated(right: np.ndarray, precision: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """The mean over COCO's recalls of the best precision there or beyond: float64 [r]."""
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros([len(best), 1])], axis=1)
    # All rows in one search: each is lifted above the one before.
    lift = np.arange(len(right))[:, None] * (int(max(right.max(), needed.max())) + 1)
    place = np.searchsorted((right + lift).ravel(), (needed + lift).ravel(), side="left").reshape(needed.shape)
    place = np.minimum(place - np.arange(len(right))[:, None] * right.shape[1], right.shape[1])
    return np.asarray(np.take_along_axis(best, place, axis=1).mean(axis=1))
