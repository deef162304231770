"""Gates: a metric, a limit, and a verdict with its numbers."""

import math
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from quant_accuracy.errors import QuantAccuracyError
from quant_accuracy.intervals import Interval, percentile_interval
from quant_accuracy.metrics import Metrics

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"


class Samples(NamedTuple):
    """The mAP of both variants on the same resamples of the evaluated images.

    Attributes:
        before: float64 [r] of the float variant; NaN where a resample has no ground truth.
        after: float64 [r] of the quantized variant.
        images: Number of evaluated images.
        shards: Number of shards that they come from.
        others: Number of shards that were not evaluated.
    """

    before: np.ndarray
    after: np.ndarray
    images: int
    shards: int
    others: int


@dataclass(frozen=True)
class Verdict:
    """What a gate says.

    Attributes:
        gate: Name of the gate, as in the model card.
        value: What was measured.
        limit: What the model card allows.
        outcome: `pass`, `fail` or `inconclusive`.
        message: One sentence with the numbers.
        interval: Where the value lies with 95 % confidence, when only a part of the data set was evaluated.
    """

    gate: str
    value: float
    limit: float
    outcome: str
    message: str
    interval: Optional[Interval] = None


def judge(gates: Mapping[str, float], float_metrics: Metrics, quantized_metrics: Metrics,
          samples: Optional[Samples] = None) -> List[Verdict]:
    """Judge the figures of both variants by the gates of a model card, in the card's order."""
    return [judge_one(gate, limit, float_metrics, quantized_metrics, samples) for gate, limit in gates.items()]


def judge_one(gate: str, limit: float, float_metrics: Metrics, quantized_metrics: Metrics,
              samples: Optional[Samples] = None) -> Verdict:
    """The verdict of one gate.

    - `float_mAP_floor`, `mAP_floor`: the mAP of the float, of the quantized variant is at least the limit;
    - `mAP_drop`: float mAP - quantized mAP is at most the limit;
    - `mAP_ratio`: quantized mAP / float mAP is at least the limit (MLPerf's rule).

    With samples, which stand for the part of the data set that was not evaluated, the whole 95 % interval has to lie on
    one side of the limit; otherwise the verdict is `inconclusive`.

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    before, after = _mean_ap(float_metrics), _mean_ap(quantized_metrics)
    measure, at_least, text = _RULES[gate]
    value = measure(before, after)
    interval = None if samples is None else _interval(measure, samples)
    low, high = interval or (value, value)
    good = low >= limit if at_least else high <= limit
    bad = high < limit if at_least else low > limit
    figures = f"(float {before:.4f}, quantized {after:.4f})"
    if interval is not None:
        figures = f"(95 % interval {low:.4f} .. {high:.4f}; float {before:.4f}, quantized {after:.4f})"
    if samples is not None and not good and not bad:
        return Verdict(gate, value, limit, INCONCLUSIVE,
                       f"{text} {value:.4f} may lie on either side of {limit:g} {figures}; "
                       f"{_remedy(value, limit, low, high, samples)}", interval)
    relation = ("at least" if at_least else "at most") if good else ("below" if at_least else "above")
    return Verdict(gate, value, limit, PASS if good else FAIL, f"{text} {value:.4f} is {relation} {limit:g} {figures}",
                   interval)


def _interval(measure: Callable[[float, float], float], samples: Samples) -> Optional[Interval]:
    values = [measure(before, after) for before, after in zip(samples.before, samples.after)]
    found = percentile_interval(np.array(values, np.float64))
    return None if np.isnan(found.low) else found


def _remedy(value: float, limit: float, low: float, high: float, samples: Samples) -> str:
    """How many more shards would probably settle it: an interval narrows with the root of the number of images."""
    distance = abs(value - limit)
    reach = value - low if limit < value else high - value
    images = samples.images * (reach / distance) ** 2 - samples.images if distance > 0 else float("inf")
    shards = images / (samples.images / samples.shards)
    if not 0 < shards <= samples.others:
        return "evaluate all shards"
    return f"{math.ceil(shards)} more shards would probably settle it"


_Rule = Tuple[Callable[[float, float], float], bool, str]
_RULES: Dict[str, _Rule] = {
    "float_mAP_floor": (lambda before, after: before, True, "float mAP"),
    "mAP_floor": (lambda before, after: after, True, "quantized mAP"),
    "mAP_drop": (lambda before, after: before - after, False, "mAP drop"),
    "mAP_ratio": (lambda before, after: after / before if before else 1.0, True, "mAP ratio"),
}


def _mean_ap(metrics: Metrics) -> float:
    value: Optional[float] = metrics.figures["mAP"]
    if value is None:
        raise QuantAccuracyError("there is no ground truth in the evaluated images, so there is no mAP; "
                                 "evaluate more shards")
    return value
