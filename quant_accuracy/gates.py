"""Gates: a metric, a limit, and a verdict with its numbers."""

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from quant_accuracy.errors import QuantAccuracyError
from quant_accuracy.metrics import Metrics

PASS, FAIL = "pass", "fail"


@dataclass(frozen=True)
class Verdict:
    """What a gate says.

    Attributes:
        gate: Name of the gate, as in the model card.
        value: What was measured.
        limit: What the model card allows.
        outcome: `pass` or `fail`.
        message: One sentence with the numbers.
    """

    gate: str
    value: float
    limit: float
    outcome: str
    message: str


def judge(gates: Mapping[str, float], float_metrics: Metrics, quantized_metrics: Metrics) -> List[Verdict]:
    """Judge the figures of both variants by the gates of a model card, in the card's order."""
    return [judge_one(gate, limit, float_metrics, quantized_metrics) for gate, limit in gates.items()]


def judge_one(gate: str, limit: float, float_metrics: Metrics, quantized_metrics: Metrics) -> Verdict:
    """The verdict of one gate.

    - `float_mAP_floor`, `mAP_floor`: the mAP of the float, of the quantized variant is at least the limit;
    - `mAP_drop`: float mAP - quantized mAP is at most the limit;
    - `mAP_ratio`: quantized mAP / float mAP is at least the limit (MLPerf's rule).

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    before, after = _mean_ap(float_metrics), _mean_ap(quantized_metrics)
    measure, at_least, text = _RULES[gate]
    value = measure(before, after)
    good = value >= limit if at_least else value <= limit
    relation = ("at least" if at_least else "at most") if good else ("below" if at_least else "above")
    return Verdict(gate, value, limit, PASS if good else FAIL,
                   f"{text} {value:.4f} is {relation} {limit:g} (float {before:.4f}, quantized {after:.4f})")


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
