"""Where a figure lies, from resamples of what it was measured on."""

import math
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


def mean_known(values: np.ndarray) -> np.ndarray:
    """The mean over what is not NaN, for each resample: float64 [r, c] -> [r]; NaN where nothing is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1))


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


def bias_corrected_interval(samples: np.ndarray, value: float, confidence: float = 0.95) -> Interval:
    """As `percentile_interval`, for a figure that few data make too large or too small.

    Interpolated AP is too large on few images, and more so on resamples of them. How far the resamples lie to one side
    of the measured value tells how far that lies to the same side of the truth: with `z0` the normal quantile of the
    share of samples below it, the ends are the samples' quantiles at Phi(2 z0 -+ z) (Efron 1981, "Nonparametric
    standard errors and confidence intervals", the bias-corrected percentile interval).

    Args:
        samples: float64 [r].
        value: The figure as measured, on all images once.
        confidence: The share of samples inside.
    """
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    share = (np.mean(known < value) + np.mean(known <= value)) / 2
    # Samples on one side only tell no more than that there are so many of them.
    least = 0.5 / len(known)
    shift = 2 * _normal_quantile(float(np.clip(share, least, 1 - least)))
    reach = _normal_quantile(0.5 * (1 + confidence))
    low, high = np.percentile(known, [100 * _normal_share(shift - reach), 100 * _normal_share(shift + reach)])
    return Interval(float(low), float(high))


def _normal_share(quantile: float) -> float:
    return 0.5 * math.erfc(-quantile / math.sqrt(2.0))


def _normal_quantile(share: float) -> float:
    """The inverse of `_normal_share` for shares that doubles can tell from 0 and 1, by halving."""
    low, high = -9.0, 9.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _normal_share(middle) < share else (low, middle)
    return (low + high) / 2
