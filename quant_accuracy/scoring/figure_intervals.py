"""Where COCO's figures, and the differences of two variants, lie: 95 % intervals of the paired bootstrap."""

from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from quant_accuracy.scoring import bootstrap, coco
from quant_accuracy.scoring.intervals import Interval, student_interval
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES, Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps

Intervals = Mapping[str, Optional[Interval]]
Pair = Tuple[str, str]


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
        drops: The same figures of the difference of each pair of variants, first - second.
        class_drops: The difference of each class's AP, by pair and class name.
    """

    resamples: int
    variants: Mapping[str, Intervals]
    drops: Mapping[Pair, Intervals]
    class_drops: Mapping[Pair, Intervals]


def measure(sides: Mapping[str, Scored], pairs: Sequence[Pair], weights: np.ndarray, all_images: np.ndarray,
            share: float = 0.0) -> FigureIntervals:
    """The intervals of variants on the same resamples, made as those that the gates judge by.

    Args:
        sides: The variants, on the same images.
        pairs: Which of them are compared; each is in one of these.
        weights: int32 [r, n] how often each image comes in each resample; see `bootstrap.draw`.
        all_images: int64 [c, area] how many images of the whole data set show each category; see
            `matching.class_images`.
        share: The share of the data set's images that were evaluated, as `PartialAps` takes it.
    """
    once = np.ones([1, weights.shape[1]], np.int32)
    values = {name: bootstrap.class_figures(side.matches, once) for name, side in sides.items()}
    samples = {name: bootstrap.class_figures(side.matches, weights, side.aps) for name, side in sides.items()}
    any_side = next(iter(sides.values()))
    images = {name: ClassImages(any_side.matches.class_images(coco.area_of(name)), all_images[:, coco.area_of(name)])
              for name in FIGURES}
    variants: Dict[str, Intervals] = {}
    drops: Dict[Pair, Intervals] = {}
    class_drops: Dict[Pair, Intervals] = {}
    for one, other in pairs:
        found = {name: PartialAps(values[one][name][0], values[other][name][0], samples[one][name],
                                  samples[other][name], images[name], share) for name in FIGURES}
        for variant, second in ((one, False), (other, True)):
            if variant not in variants:
                variants[variant] = {name: aps.mean_ap(quantized=second) for name, aps in found.items()}
        drops[one, other] = {name: aps.drop() for name, aps in found.items()}
        deviations = bootstrap.drop_deviations(samples[one]["mAP"], samples[other]["mAP"])
        lost = values[one]["mAP"][0] - values[other]["mAP"][0]
        shown = images["mAP"]
        class_drops[one, other] = {
            name: _of_class(float(lost[position]), float(deviations[position]), int(shown.evaluated[position]),
                            shown.least) for position, name in enumerate(any_side.metrics.per_class)}
    return FigureIntervals(len(weights), variants, drops, class_drops)


def _of_class(drop: float, deviation: float, images: int, least: int) -> Optional[Interval]:
    return student_interval(drop, deviation, images) if images >= least else None
