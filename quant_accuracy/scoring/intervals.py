"""Where a figure lies, from resamples of what it was measured on."""

import functools
import math
from typing import NamedTuple, Optional

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
    return quantile_interval(samples, (1 - confidence) / 2, (1 + confidence) / 2)


def quantile_interval(samples: np.ndarray, low: float, high: float) -> Interval:
    """The interval between two quantiles, 0..1, of the samples; see `percentile_interval`."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    ends = np.percentile(known, [100 * low, 100 * high])
    return Interval(float(ends[0]), float(ends[1]))


def least_observations(confidence: float) -> int:
    """How many independent observations an interval of this confidence needs, whatever its rule.

    With a probability of 2 ** (1 - n) all n of them lie on the same side of the median, where nothing tells of the
    other side: no interval from them can claim more than 1 - 2 ** (1 - n) (the sign test's bound).
    """
    return 1 + math.ceil(-math.log2(1.0 - confidence) - 1e-9)


def student_interval(value: float, deviation: float, observations: int, confidence: float = 0.95) -> Interval:
    """Where a figure lies whose standard deviation was estimated by a bootstrap over few observations.

    A bootstrap over n observations sees (n - 1) / n of the variance; and the deviation is itself an estimate, which
    Student's t with n - 1 degrees of freedom allows for (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 12).

    Args:
        value: The figure as measured.
        deviation: Standard deviation of its resamples.
        observations: Number of independent observations, at least 2.
        confidence: How often the interval holds the truth.
    """
    reach = student_quantile(confidence, observations - 1) * deviation * math.sqrt(observations / (observations - 1))
    return Interval(value - reach, value + reach)


def clustered_share_interval(chosen: np.ndarray, total: np.ndarray, evaluated: float = 0.0) -> Optional[Interval]:
    """Where a share lies with 95 % confidence whose cases come image by image, as in `chosen.sum() / total.sum()`.

    Wilson's interval (1927) for as many independent cases as these are worth (Korn and Graubard, "Confidence intervals
    for proportions with small expected number of positive counts estimated from survey data", 1998), with Student's t
    over the images that have cases. What they are worth follows from the variance of the ratio (Cochran, Sampling
    Techniques, 1977, chapter 6), that of the images or of these and one more of mean size with half of its cases
    chosen, whichever is less: a share of 1 in a few images has no variance and proves little.

    Percentiles of a bootstrap see no variance there either; coverage of both is in docs/uncertainty.md.

    Args:
        chosen: int64 [n] the cases of each image that count.
        total: int64 [n] all cases of each image.
        evaluated: The share of all images that these are, which are known and not left to chance.

    Returns:
        The interval; None where there is no case.
    """
    has = int((total > 0).sum())
    if not has:
        return None
    cases, open_to_chance = float(total.sum()), max(1e-9, 1.0 - evaluated)
    share, mean = float(chosen.sum()) / cases, cases / has
    worth = min(_worth(chosen, total), _worth(np.append(chosen, mean / 2), np.append(total, mean)), cases)
    worth /= open_to_chance
    t = student_quantile(0.95, max(1, has - 1))
    centre = (share + t * t / (2 * worth)) / (1 + t * t / worth)
    reach = t / (1 + t * t / worth) * math.sqrt(share * (1 - share) / worth + (t / (2 * worth)) ** 2)
    return Interval(max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach)))


def _worth(chosen: np.ndarray, total: np.ndarray) -> float:
    """How many independent cases have the variance of this ratio; infinite where it has none."""
    count, cases = len(total), float(total.sum())
    share = float(chosen.sum()) / cases
    variance = count / max(1, count - 1) * float(((chosen - share * total) ** 2).sum()) / cases ** 2
    return share * (1 - share) / variance if variance > 0 else math.inf


@functools.lru_cache(maxsize=None)
def student_quantile(confidence: float, freedom: int) -> float:
    """The t within which a value with Student's distribution lies on either side, with this confidence.

    Args:
        confidence: Between 0 and 1, the two-sided one.
        freedom: Degrees of freedom, at least 1; above 500 the distribution hardly changes.
    """
    low, high = 0.0, 1.0
    while _student_share(high, freedom) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_share(middle, freedom) < confidence else (low, middle)
    return (low + high) / 2


def _student_share(t: float, freedom: int) -> float:
    """The probability of a value between -t and t: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    freedom = min(freedom, 500)
    angle = math.atan(t / math.sqrt(freedom))
    square, odd = math.cos(angle) ** 2, freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for step in range(odd, freedom - 1, 2):
        total += term
        term *= square * (step + 1) / (step + 2)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
