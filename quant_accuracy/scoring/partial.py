"""Where the mAP, drop and ratio of a whole data set lie when only a part of its images was evaluated.

Plain percentiles of a bootstrap are too narrow and too optimistic here, for three reasons that grow with the number of
classes (measured in docs/uncertainty.md):

- A class that no evaluated image shows is not in the mean, though it is in the mean of the whole data set. Its AP is
  drawn from evaluated classes that are about as rare, anew in each resample (the hot deck of Rubin and Schenker,
  "Multiple Imputation for Interval Estimation from Simple Random Samples with Ignorable Nonresponse", 1986).
- The AP of a class in k images varies in resamples by (k - 1) / k of its true variance, for k = 1 not at all.
  Deviations are scaled back; a class in one image is absent from 37 % of the resamples, where others take its place.
- Interpolated AP is too large on few images. In a drop that nearly cancels out, in the mAP of one variant it does not.
"""

from dataclasses import dataclass
from typing import Optional

import numpy as np

from quant_accuracy.scoring.intervals import Interval, least_observations, quantile_interval

# How many classes, next in rarity, a class without ground truth is drawn from.
_DONORS = 5
# A resample holds 63 % of the images, so its AP is too large by more than that of the images: if the excess falls with
# the number of images to the power of -3/4, it is 2.4 times the difference of the two, and the resample's 3.4 times.
# At the lower end 3 covers best in docs/uncertainty.md; the upper one, where most classes may be rare, stays cautious.
_EXCESS_LOW, _EXCESS_HIGH = 3.0, 2.0
_TAIL = 0.025
# On few images fewer false alarms compete with objects whose scores have sunk, so drops are a little too small there,
# and those of the classes that no image shows may be larger than those of their donors. The more classes are absent,
# the more of the lenient tail is kept in the interval; this share of it covers best in docs/uncertainty.md.
_CAUTION = 1.6
_SEED = 19860101


@dataclass(frozen=True)
class ClassImages:
    """How many images show ground truth of each class.

    Attributes:
        evaluated: int64 [c] of the evaluated images.
        all: int64 [c] of all images of the annotations.
    """

    evaluated: np.ndarray
    all: np.ndarray

    @property
    def classes(self) -> int:
        """Number of classes that the whole data set shows."""
        return int((self.all > 0).sum())

    @property
    def absent(self) -> int:
        """Number of these that no evaluated image shows."""
        return int(((self.all > 0) & (self.evaluated == 0)).sum())

    @property
    def least(self) -> int:
        """Evaluated images that a class needs to be judged on its own, all classes at once with 95 % confidence."""
        return least_observations(joint_confidence(self.classes))

    @property
    def rare(self) -> int:
        """Number of classes that fewer evaluated images show, the absent ones included."""
        return int(((self.all > 0) & (self.evaluated < self.least)).sum())


def joint_confidence(classes: int) -> float:
    """The confidence of each class's interval so that all hold at once in 95 % of cases (Bonferroni)."""
    return 1.0 - 0.05 / max(1, classes)


class PartialAps:
    """The class APs of both variants on the same resamples, ready to stand for the whole data set.

    Args:
        float_aps: float64 [c] AP of the float variant by class; NaN without ground truth.
        quantized_aps: float64 [c] of the quantized variant.
        float_samples: float64 [r, c] AP of the float variant on each resample; NaN without ground truth.
        quantized_samples: float64 [r, c] of the quantized variant, on the same resamples.
        images: How many images show each class.
        share: The share of the data set's images that were evaluated: these are known, and only the others left to
            chance (the finite population correction, Cochran, Sampling Techniques, 1977). 0 asks for what any other
            images would give.
    """

    def __init__(self, float_aps: np.ndarray, quantized_aps: np.ndarray, float_samples: np.ndarray,
                 quantized_samples: np.ndarray, images: ClassImages, share: float = 0.0) -> None:
        shown = images.all > 0
        self.images = images
        self._evaluated = images.evaluated[shown]
        self._float_aps, self._quantized_aps = float_aps[shown], quantized_aps[shown]
        donors = _donors(~np.isnan(float_samples[:, shown]), images.all[shown])
        self._float_samples, self._quantized_samples = (
            _deviating(values, samples[:, shown], self._evaluated, share)[np.arange(len(samples))[:, None], donors]
            for values, samples in ((self._float_aps, float_samples), (self._quantized_aps, quantized_samples)))

    @property
    def speaks_for_the_whole(self) -> bool:
        """Whether at least as many classes were seen as have to be made up for; no interval is honest otherwise."""
        return 0 < self.images.classes >= 2 * self.images.absent

    def drop(self) -> Optional[Interval]:
        """Float mAP - quantized mAP, with 95 % confidence; None where too few classes were seen."""
        if not self.speaks_for_the_whole:
            return None
        drops = self._float_samples.mean(axis=1) - self._quantized_samples.mean(axis=1)
        return quantile_interval(drops, _TAIL, 1.0 - self._cautious_tail)

    @property
    def _cautious_tail(self) -> float:
        """The probability that a drop lies beyond the end that would let too large a one pass."""
        return _TAIL * (1.0 - _CAUTION * self.images.absent / self.images.classes)

    def ratio(self) -> Optional[Interval]:
        """Quantized mAP / float mAP, with 95 % confidence; None where too few classes were seen.

        The drop over the float mAP, which is too large on few images: at the cautious end classes without ground truth
        count as 0 in it.
        """
        if not self.speaks_for_the_whole:
            return None
        drops = self._float_samples.mean(axis=1) - self._quantized_samples.mean(axis=1)
        seen = self._evaluated > 0
        floats = (_without_excess(self._float_aps, self._float_samples, counted, _EXCESS_LOW)
                  for counted in (seen, np.ones_like(seen)))
        ends = [quantile_interval(1.0 - drops / np.maximum(of_float, 1e-9), self._cautious_tail, 1.0 - _TAIL)
                for of_float in floats]
        return Interval(min(end.low for end in ends), max(end.high for end in ends))

    def mean_ap(self, quantized: bool) -> Optional[Interval]:
        """The mAP of one variant, with 95 % confidence; None where too few classes were seen.

        How much too large the AP of a class in a few images is cannot be known from these, so at the lower end classes
        in fewer than `ClassImages.least` count as 0.
        """
        if not self.speaks_for_the_whole:
            return None
        values, samples = (self._quantized_aps, self._quantized_samples) if quantized else \
            (self._float_aps, self._float_samples)
        known = self._evaluated >= self.images.least
        low, high = (quantile_interval(_without_excess(values, samples, counted, times), _TAIL, 1.0 - _TAIL)
                     for counted, times in ((known, _EXCESS_LOW), (np.ones_like(known), _EXCESS_HIGH)))
        return Interval(max(0.0, low.low), max(0.0, high.high))


def _without_excess(values: np.ndarray, samples: np.ndarray, counted: np.ndarray, times: float) -> np.ndarray:
    """The mAP of each resample with only some classes counted, less what few images make it too large: float64 [r].

    Args:
        values: float64 [c] AP by class; NaN without ground truth.
        samples: float64 [r, c].
        counted: bool [c] the others count as 0.
        times: How often the difference between resamples and values is taken off.
    """
    seen = counted & ~np.isnan(values)
    excess = np.where(seen, samples.mean(axis=0) - np.where(seen, values, 0.0), 0.0).mean()
    return np.asarray(np.where(counted, samples, 0.0).mean(axis=1) - times * max(0.0, float(excess)))


def _deviating(values: np.ndarray, samples: np.ndarray, images: np.ndarray, share: float) -> np.ndarray:
    """The samples with their deviations from the values scaled to those of independent data: [r, c]."""
    scale = np.sqrt(images / np.maximum(images - 1.0, 1.0) * (1.0 - share))
    return np.asarray(values + (samples - values) * scale)


def _donors(known: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """For each resample and class the class that its AP is taken from: itself where it is known.

    Args:
        known: bool [r, c] whether a resample has ground truth of a class.
        frequency: int64 [c] in how many images of the whole data set each class stands.

    Returns:
        int64 [r, c].
    """
    random = np.random.RandomState(_SEED)
    order = np.argsort(-frequency, kind="stable")
    donors = np.tile(np.arange(known.shape[1]), (len(known), 1))
    for of_resample, there in zip(donors, known[:, order]):
        present, absent = np.flatnonzero(there), np.flatnonzero(~there)
        if len(present) and len(absent):
            width = min(_DONORS, len(present))
            first = np.clip(np.searchsorted(present, absent) - _DONORS // 2, 0, len(present) - width)
            of_resample[order[absent]] = order[present[first + random.randint(width, size=len(absent))]]
    return donors
