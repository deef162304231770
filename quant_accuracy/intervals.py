"""Percentile intervals of samples."""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """Where a value lies.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float


def percentile_interval(samples: np.ndarray, confidence: float = 0.95) -> Interval:
    """The interval that leaves out as many samples below as above; NaN samples do not count.

    Args:
        samples: float64 [r].
        confidence: The share of samples inside.

    Returns:
        The interval; NaN at both ends where no sample is known.
    """
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    low, high = np.percentile(known, [50 * (1 - confidence), 50 * (1 + confidence)])
    return Interval(float(low), float(high))
