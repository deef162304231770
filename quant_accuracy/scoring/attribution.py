"""Where a loss comes from: which images have a lower AP than in the float variant."""

from typing import List

import numpy as np

from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import Matches

# APs of an image that differ by less are sums of the same numbers in another order.
_SAME = 1e-9


def image_aps(matches: Matches) -> np.ndarray:
    """COCO's mAP on each image alone.

    The mean, over the categories that the image has ground truth of, of the AP (IoU 0.50:0.95, all areas, 100
    detections): what pycocotools gives for a data set of this image only.

    Args:
        matches: The matches of one variant.

    Returns:
        float64 [n], in the order of `matches.image_ids`; NaN for an image without ground truth.
    """
    positives = matches.positives[:, :, 0]
    rows = np.flatnonzero(positives[matches.images, matches.categories] > 0)
    aps = np.zeros(positives.shape)
    np.add.at(aps, (matches.images[rows], matches.categories[rows]), _gains(matches, rows))
    count = (positives > 0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count > 0, aps.sum(axis=1) / count, np.nan))


def changed_images(floats: Matches, quantized: Matches, count: int = 12) -> List[int]:
    """The image ids that lost most of their own AP (see `image_aps`), largest loss first, equal losses by image id.

    Args:
        floats: The matches of the float variant.
        quantized: The matches of the quantized variant, of the same images.
        count: How many ids at most; there are fewer where fewer images lost something.
    """
    loss = image_aps(floats) - image_aps(quantized)
    lost = np.flatnonzero(np.nan_to_num(loss) > _SAME)
    order = np.lexsort((floats.image_ids[lost], -np.round(loss[lost], 9)))
    return [int(image) for image in floats.image_ids[lost[order[:count]]]]


def _gains(matches: Matches, rows: np.ndarray) -> np.ndarray:
    """What each detection adds to the AP of its image and category, were they alone: float64 [rows].

    An AP is the mean over COCO's recalls of the best precision there or beyond; a true positive adds the best precision
    from it on for each recall that it is the first to reach.

    Args:
        matches: The matches of one variant.
        rows: int64 [rows] all detections of some images and categories that have ground truth, in their order.
    """
    positives = matches.positives[matches.images[rows], matches.categories[rows], 0][:, None]
    outcomes = matches.outcomes[rows, 0]
    counted, hits = outcomes != matching.UNCOUNTED, outcomes == matching.RIGHT
    ranks = matches.ranks[rows]
    right, all_so_far = _so_far(hits, ranks), _so_far(counted, ranks)
    best = np.where(hits, right / (all_so_far + np.spacing(1)), 0.0)
    # From the last rank to the first, many images at a time: the next row is the next rank, where there is one.
    for rank in range(int(ranks.max(initial=0)) - 1, -1, -1):
        here = np.flatnonzero((ranks[:-1] == rank) & (ranks[1:] == rank + 1))
        best[here] = np.maximum(best[here], best[here + 1])
    reached, reached_before = (np.searchsorted(matching.RECALLS, count / positives, side="right")
                       for count in (right, right - hits))
    # Recall 0 is reached before any detection; it belongs to the first one that counts.
    reached_before[right - hits == 0] = 0
    gains = np.where(hits, best * (reached - reached_before), 0.0)
    return np.asarray(gains.sum(axis=1) / (len(matching.RECALLS) * len(matching.IOU_THRESHOLDS)))


def _so_far(chosen: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """How many of the chosen rows stand between rank 0 and each row, this one included: int64 [rows, t]."""
    total = np.cumsum(chosen, axis=0)
    first = np.arange(len(ranks)) - ranks
    return np.asarray(total - (total - chosen)[first])
