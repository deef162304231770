"""Honest uncertainty: the paired bootstrap over images.

Images are drawn with replacement (Efron 1979) and both variants are scored on the same draw, so that what makes an
image hard cancels out of their difference. Matching does not depend on which other images are drawn: it is done once,
and a draw only weighs each image by how often it came.
"""

from typing import Dict, Optional

import numpy as np

from quant_accuracy.scoring import coco, matching
from quant_accuracy.scoring.coco import View
from quant_accuracy.scoring.intervals import mean_known
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES

RESAMPLES = 1000
# As many as a standard deviation needs: it is known to 5 % then.
_OF_DEVIATION = 200
_SEED = 20191015
# Resamples times detections that are weighed at once: what stays in a core's cache.
_CHUNK = 400_000


def draw(images: int, resamples: int = RESAMPLES, seed: int = _SEED) -> np.ndarray:
    """How often each image comes in each resample: int32 [resamples, images], each row sums to the number of images.

    The first rows are the same however many are drawn.
    """
    random, shares = np.random.RandomState(seed), np.full(images, 1.0 / images)
    # Half the size of what numpy draws is twice the speed, and no image comes 2^31 times.
    weights = np.empty([resamples, images], np.int32)
    for of_resample in weights:
        of_resample[:] = random.multinomial(images, shares)
    return weights


def class_figures(matches: Matches, weights: np.ndarray, aps: Optional[np.ndarray] = None) -> Dict[str, np.ndarray]:
    """What COCO's 12 figures are the means of, by resample and category.

    Args:
        matches: The matches of one variant.
        weights: int32 [r, n] how often each image comes; see `draw`.
        aps: What `threshold_aps` makes of the two, where it is known already.

    Returns:
        float64 [r, c] by name, in COCO's order; NaN where a resample has no ground truth of a category.
    """
    of_all = threshold_aps(matches, weights) if aps is None else aps
    found = {name: of_all[threshold] for name, threshold in coco.AT_ONE_IOU.items()}
    for name, view in coco.AVERAGE_PRECISIONS.items():
        found[name] = mean_over_thresholds(of_all if view == coco.ALL else threshold_aps(matches, weights, view.area))
    found.update({name: _recalls(matches, weights, view) for name, view in coco.AVERAGE_RECALLS.items()})
    return {name: found[name] for name in FIGURES}


def draw_for_deviations(images: int) -> np.ndarray:
    """The first rows of `draw`, as many as `drop_deviations` looks at."""
    return draw(images, _OF_DEVIATION)


def mean_aps(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """COCO's mAP of each resample: float64 [r]; NaN where a resample has no ground truth."""
    return mean_known(class_aps(matches, weights))


def class_aps(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """COCO's AP of each resample and category: float64 [r, c]; NaN where a resample has no ground truth of it."""
    return mean_over_thresholds(threshold_aps(matches, weights))


def drop_deviations(floats: np.ndarray, quantized: np.ndarray) -> np.ndarray:
    """The standard deviation of each class's AP drop.

    Args:
        floats: float64 [r, c] what `class_aps` makes of the float variant, with the first rows of `draw` at least.
        quantized: The same of the quantized variant, on the same resamples.

    Returns:
        float64 [c]; NaN where less than two resamples have ground truth of a class.
    """
    drops = floats[:_OF_DEVIATION] - quantized[:_OF_DEVIATION]
    known = ~np.isnan(drops)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(known, drops, 0.0).sum(axis=0) / count
        squares = np.where(known, drops - centre, 0.0) ** 2
        return np.asarray(np.where(count > 1, np.sqrt(squares.sum(axis=0) / (count - 1)), np.nan))


def mean_over_thresholds(aps: np.ndarray) -> np.ndarray:
    """The AP over all IoU thresholds, from what `threshold_aps` gives: float64 [t, r, c] -> [r, c]."""
    total = np.zeros(aps.shape[1:])
    # One after the other, whatever the layout of the array: a sum in another order has other last digits.
    for of_threshold in aps:
        total += of_threshold
    return total / len(aps)


def threshold_aps(matches: Matches, weights: np.ndarray, area: int = coco.ALL.area) -> np.ndarray:
    """COCO's AP at each IoU threshold, of each resample and category.

    Args:
        matches: The matches of one variant.
        weights: int32 [r, n] how often each image comes; see `draw`.
        area: Which of `matching.AREAS`.

    Returns:
        float64 [t, r, c]; NaN where a resample has no ground truth of a category.
    """
    positives = _weighted(weights, matches.positives[:, :, area])
    found = np.full([len(matching.IOU_THRESHOLDS), *positives.shape], np.nan)
    for category in np.flatnonzero(positives.any(axis=0)):
        rows = matches.ranked(category)
        # What counts at no threshold, such as all that is outside the area, is not worth weighing.
        rows = rows[(matches.outcomes[rows, area] != matching.UNCOUNTED).any(axis=1)]
        step = max(1, _CHUNK // max(1, len(rows)))
        for start in range(0, len(weights), step):
            known = start + np.flatnonzero(positives[start:start + step, category])
            found[:, known, category] = _ranked_aps(matches, rows, area, weights[known], positives[known, category])
    return found


def _ranked_aps(matches: Matches, rows: np.ndarray, area: int, weights: np.ndarray,
                positives: np.ndarray) -> np.ndarray:
    """The AP of one category at each threshold, for each resample: float64 [t, r].

    Args:
        matches: The matches of one variant.
        rows: int64 [d] the detections of the category, best score first.
        area: Which of `matching.AREAS`.
        weights: int32 [r, n] how often each image comes.
        positives: int64 [r] how much ground truth there is, at least 1.
    """
    each = weights[:, matches.images[rows]]
    so_far = np.cumsum(each, axis=1, dtype=np.int32)
    outcomes = matches.outcomes[rows, area]
    recalls = _Recalls(positives, int(each[:, (outcomes == matching.RIGHT).any(axis=1)].sum(axis=1).max(initial=0)))
    found = np.zeros([len(matching.IOU_THRESHOLDS), len(weights)])
    for threshold, of_resample in enumerate(found):
        uncounted = np.flatnonzero(outcomes[:, threshold] == matching.UNCOUNTED)
        hits = np.flatnonzero(outcomes[:, threshold] == matching.RIGHT)
        if not len(hits):
            continue
        right = np.cumsum(each[:, hits], axis=1, dtype=np.int32)
        counted = so_far[:, hits]
        if len(uncounted):
            counted -= _before(each, uncounted, hits)
        of_resample[:] = _interpolated(recalls.reached(right), right / (counted + np.spacing(1)))
    return found


def _before(each: np.ndarray, chosen: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The weight of the chosen detections before each position: int32 [r, positions]."""
    sums = np.zeros([len(each), len(chosen) + 1], np.int32)
    np.cumsum(each[:, chosen], axis=1, out=sums[:, 1:])
    return sums[:, np.searchsorted(chosen, positions)]


class _Recalls:
    """How many of COCO's recalls some true positives reach, looked up: a search for each of them takes far longer.

    Quotients are compared, as COCO does: `0.29 * 100` is more than 29.

    Args:
        positives: int64 [r] how much ground truth each resample has, at least 1.
        most: The largest number of true positives that is asked for.
    """

    def __init__(self, positives: np.ndarray, most: int) -> None:
        distinct, self._rows = np.unique(positives, return_inverse=True)
        self._table = np.searchsorted(matching.RECALLS, np.arange(most + 1) / distinct[:, None], side="right")

    def reached(self, right: np.ndarray) -> np.ndarray:
        """From true positives to recalls, 0..101: int32 [r, hits] -> int64 [r, hits]."""
        return np.asarray(self._table[self._rows[:, None], right])


def _interpolated(reached: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The mean over COCO's recalls of the best precision there or beyond: float64 [r].

    Args:
        reached: int64 [r, hits] how many of the recalls are reached so far, at each true positive.
        precision: float64 [r, hits].
    """
    best = np.zeros([len(precision), precision.shape[1] + 1])
    np.maximum.accumulate(precision[:, ::-1], axis=1, out=best[:, -2::-1])
    # Each precision stands for the recalls that its hit is the first to reach, the zero behind the last hit for those
    # that none does.
    ends = np.full([len(best), best.shape[1] + 1], len(matching.RECALLS))
    ends[:, 0] = 0
    ends[:, 1:-1] = reached
    each = np.repeat(best.ravel(), np.diff(ends, axis=1).ravel())
    return np.asarray(each.reshape(len(best), len(matching.RECALLS)).mean(axis=1))


def _recalls(matches: Matches, weights: np.ndarray, view: View) -> np.ndarray:
    """The mean over the IoU thresholds of the recall with all detections of a view, by resample and category.

    Returns:
        float64 [r, c]; NaN where a resample has no ground truth of a category.
    """
    hits = (matches.outcomes[:, view.area] == matching.RIGHT) & (matches.ranks < view.detections)[:, None]
    counts = np.zeros([len(matches.image_ids), len(matches.category_ids)])
    # A true positive at several thresholds counts as often: their sum is what the mean needs.
    np.add.at(counts, (matches.images, matches.categories), hits.sum(axis=1))
    positives = _weighted(weights, matches.positives[:, :, view.area])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _weighted(weights, counts) / positives / len(matching.IOU_THRESHOLDS)
    return np.where(positives > 0, found, np.nan)


def _weighted(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The sum over images of counts by how often each image comes: int64 [r, c]."""
    counts = counts.astype(np.float64)
    step = max(1, _CHUNK // max(1, weights.shape[1]))
    # Floats multiply faster, and whole numbers as exactly; all weights as floats would be larger than all detections.
    parts = [weights[start:start + step].astype(np.float64) @ counts for start in range(0, len(weights), step)]
    return np.concatenate(parts).astype(np.int64)
