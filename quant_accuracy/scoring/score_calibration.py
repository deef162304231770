"""How far scores are probabilities: the share of right detections by score, and the expected calibration error.

Küppers, Kronenberger, Shantia, Haselhoff: Multivariate confidence calibration for object detection, CVPR workshops
2020, equation 4, with the score as the only variable: the mean over detections of how far the precision of their bin
lies from its mean score.
"""

from dataclasses import dataclass
from typing import Optional

import numpy as np

from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, Matches

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """The detections of one variant by their score, at IoU 0.50.

    Attributes:
        counts: int64 [b] how many there are in each of equal parts of 0..1.
        scores: float64 [b] their mean score; NaN where there are none.
        precisions: float64 [b] the share of them that is right; NaN where there are none.
        error: The expected calibration error, 0..1; None where there are none at all.
    """

    counts: np.ndarray
    scores: np.ndarray
    precisions: np.ndarray
    error: Optional[float]


def measure(matches: Matches, least: float) -> Calibration:
    """Calibration of the detections with a score of `least` and more that count."""
    outcomes = matches.outcomes[:, 0, 0]
    chosen = (outcomes != UNCOUNTED) & (matches.scores >= least)
    scores, right = matches.scores[chosen], outcomes[chosen] == RIGHT
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    counts, score_sums, hits = (np.bincount(bins, weights, BINS) for weights in (None, scores, right.astype(float)))
    empty = np.where(counts > 0, counts, np.nan)
    means, precisions = score_sums / empty, hits / empty
    error = float(np.nansum(np.abs(precisions - means) * counts) / counts.sum()) if counts.sum() else None
    return Calibration(counts.astype(np.int64), means, precisions, error)
