"""Two runs on the same images: where the differences of their figures lie, had other images been evaluated."""

from typing import Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.scoring import bootstrap
from quant_accuracy.scoring.intervals import Interval, mean_known
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.partial import ClassImages, PartialAps


class ClassAps(NamedTuple):
    """What one variant of a run has.

    Attributes:
        values: float64 [c] AP of each class; NaN without ground truth.
        samples: float64 [r, c] the same on resamples.
        images: int64 [c] how many evaluated images show each class.
    """

    values: np.ndarray
    samples: np.ndarray
    images: np.ndarray

    def mean(self) -> float:
        """COCO's mAP; NaN without ground truth."""
        return float(mean_known(self.values[None])[0])

    def less(self, other: "ClassAps") -> "ClassAps":
        """How much higher these APs are, on the same resamples."""
        return ClassAps(self.values - other.values, self.samples - other.samples, self.images)


class Intervals(NamedTuple):
    """Where the differences of two runs lie, second - first; None where no interval is honest.

    Attributes:
        float_map: Of the float mAP.
        quantized_map: Of the quantized mAP.
        drop: Of the mAP drop.
    """

    float_map: Optional[Interval]
    quantized_map: Optional[Interval]
    drop: Optional[Interval]


def evaluated_images(images: int, detected: Set[int], truth: Annotations) -> Tuple[np.ndarray, int]:
    """Which images were evaluated, as far as detections and annotations tell: COCO's results name only images with any.

    Args:
        images: How many were evaluated.
        detected: The image ids that have detections in any result.
        truth: The annotations; they may hold images that were not evaluated.

    Returns:
        The sorted image ids (int64 [n]), and how many evaluated images are not among them because nothing names them.

    Raises:
        ConfigurationError: There are detections of images that cannot have been evaluated.
    """
    unknown = sorted(detected - set(truth.images))
    if unknown:
        raise ConfigurationError(f"there are detections of image {unknown[0]}, which is not in {truth.path}; run the "
                                 "reports again")
    if len(detected) > images:
        raise ConfigurationError(f"there are detections of {len(detected)} images, but the reports say that {images} "
                                 "were evaluated; run the reports again")
    found = truth.images if images == len(truth.images) else detected
    return np.array(sorted(found), np.int64), images - len(found)


def class_aps(matches: Matches, weights: np.ndarray) -> ClassAps:
    """The class APs of one variant of a run.

    Args:
        matches: Its matches.
        weights: int32 [r, n] how often each image comes in each resample; see `bootstrap.draw`.
    """
    once = np.ones([1, len(matches.image_ids)], np.int32)
    return ClassAps(bootstrap.class_aps(matches, once)[0], bootstrap.class_aps(matches, weights),
                    matches.class_images())


def intervals(before: Mapping[str, ClassAps], after: Mapping[str, ClassAps], images: ClassImages) -> Intervals:
    """The intervals from the class APs of both runs by variant, on the same resamples."""
    drops = [run[FLOAT].less(run[QUANTIZED]) for run in (before, after)]
    pairs = [*((after[variant], before[variant]) for variant in (FLOAT, QUANTIZED)), (drops[1], drops[0])]
    return Intervals(*(_difference(now, was, images) for now, was in pairs))


def of_device(before: Mapping[str, ClassAps], after: Mapping[str, ClassAps],
              images: ClassImages) -> Tuple[Optional[Interval], Optional[Interval]]:
    """As `intervals`, of the device's mAP and of what it loses against the simulation."""
    drops = [run[QUANTIZED].less(run[DEVICE]) for run in (before, after)]
    return _difference(after[DEVICE], before[DEVICE], images), _difference(drops[1], drops[0], images)


def _difference(now: ClassAps, was: ClassAps, images: ClassImages) -> Optional[Interval]:
    return PartialAps(now.values, was.values, now.samples, was.samples, images).drop()
