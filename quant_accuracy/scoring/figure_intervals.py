"""Where COCO's figures, and the differences of two variants, lie: 95 % intervals of the paired bootstrap."""

from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional

import numpy as np

from quant_accuracy.base.words import QUANTIZED, VARIANTS
from quant_accuracy.scoring import bootstrap, coco
from quant_accuracy.scoring.intervals import Interval, student_interval
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES, Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps

Intervals = Mapping[str, Optional[Interval]]


class Scored(NamedTuple):
    """A variant.

    Attributes:
        matches: Its detections on the evaluated images.
        metrics: COCO's figures of them.
        aps: What `bootstrap.threshold_aps` makes of the matches and the drawn weights; None where that is not known.
    """

    matches: Matches
    metrics: Metrics
    aps: Optional[np.ndarray] = None


@dataclass(frozen=True)
class FigureIntervals:
    """Intervals by name; None where a figure has no ground truth to judge by, or too little to be honest.

    Attributes:
        resamples: How many resamples they come from.
        variants: COCO's 12 figures by variant.
        drop: The same figures of the difference, float - quantized.
        class_drop: The difference of each class's AP, by class name.
    """

    resamples: int
    variants: Mapping[str, Intervals]
    drop: Intervals
    class_drop: Intervals


def measure(floats: Scored, quantized: Scored, weights: np.ndarray, all_images: np.ndarray,
            share: float = 0.0) -> FigureIntervals:
    """The intervals of two variants on the same resamples, made as those that the gates judge by.

    Args:
        floats: The float variant.
        quantized: The quantized variant, on the same images.
        weights: int32 [r, n] how often each image comes in each resample; see `bootstrap.draw`.
        all_images: int64 [c, area] how many images of the whole data set show each category; see
            `matching.class_images`.
        share: The share of the data set's images that were evaluated, as `PartialAps` takes it.
    """
    once = np.ones([1, weights.shape[1]], np.int32)
    values = [bootstrap.class_figures(side.matches, once) for side in (floats, quantized)]
    samples = [bootstrap.class_figures(side.matches, weights, side.aps) for side in (floats, quantized)]
    found: Dict[str, PartialAps] = {}
    for name in FIGURES:
        area = coco.area_of(name)
        images = ClassImages(floats.matches.class_images(area), all_images[:, area])
        found[name] = PartialAps(values[0][name][0], values[1][name][0], samples[0][name], samples[1][name], images,
                                 share)
    deviations = bootstrap.drop_deviations(samples[0]["mAP"], samples[1]["mAP"])
    drops = values[0]["mAP"][0] - values[1]["mAP"][0]
    images = found["mAP"].images
    return FigureIntervals(
        len(weights),
        {variant: {name: aps.mean_ap(quantized=variant == QUANTIZED) for name, aps in found.items()}
         for variant in VARIANTS},
        {name: aps.drop() for name, aps in found.items()},
        {name: _of_class(float(drops[position]), float(deviations[position]), int(images.evaluated[position]),
                         images.least)
         for position, name in enumerate(floats.metrics.per_class)})


def _of_class(drop: float, deviation: float, images: int, least: int) -> Optional[Interval]:
    return student_interval(drop, deviation, images) if images >= least else None
