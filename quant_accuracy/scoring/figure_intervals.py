"""Where COCO's figures, and the differences of two variants, lie: 95 % intervals of the paired bootstrap."""

import math
from dataclasses import dataclass
from typing import Mapping, NamedTuple, Optional

import numpy as np

from quant_accuracy.scoring import bootstrap
from quant_accuracy.scoring.intervals import Interval, bias_corrected_interval, percentile_interval
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES, Metrics

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
    """Intervals by name; None where a figure has no ground truth to judge by.

    Attributes:
        resamples: How many resamples they come from.
        before: COCO's 12 figures of the float variant.
        after: The same of the quantized variant.
        drop: The same of the difference, float - quantized.
        class_drop: The difference of each class's AP, by class name.
    """

    resamples: int
    before: Intervals
    after: Intervals
    drop: Intervals
    class_drop: Intervals


def measure(before: Scored, after: Scored, weights: np.ndarray) -> FigureIntervals:
    """The intervals of two variants on the same resamples.

    What makes a figure too large on few images cancels out of a difference, and is corrected elsewhere: as the gates
    judge (`gates.judge_one`).

    Args:
        before: The float variant.
        after: The quantized variant, on the same images.
        weights: int32 [r, n] how often each image comes in each resample; see `bootstrap.draw`.
    """
    aps = [bootstrap.threshold_aps(side.matches, weights) if side.aps is None else side.aps for side in (before, after)]
    old, new = (bootstrap.figures(side.matches, weights, known) for side, known in zip((before, after), aps))
    of_classes = np.subtract(*(bootstrap.mean_over_thresholds(known) for known in aps))
    return FigureIntervals(
        len(weights), _of_figures(before.metrics, old), _of_figures(after.metrics, new),
        {name: _known(percentile_interval(old[name] - new[name])) for name in FIGURES},
        {name: _known(percentile_interval(values)) for name, values in zip(before.metrics.per_class, of_classes.T)})


def _of_figures(metrics: Metrics, found: Mapping[str, np.ndarray]) -> Intervals:
    return {name: None if value is None else _known(bias_corrected_interval(found[name], value))
            for name, value in metrics.figures.items()}


def _known(interval: Interval) -> Optional[Interval]:
    return None if math.isnan(interval.low) else interval
