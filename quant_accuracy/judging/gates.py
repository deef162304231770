"""Gates: a metric, what is allowed, and a verdict with its numbers."""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from quant_accuracy.judging import baseline_gates, class_drop, device_gates, jitter, known_failures, verdicts
from quant_accuracy.judging.verdicts import INCONCLUSIVE, NEAR_ZERO, PASS, Bounds, Figures, Verdict
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.partial import PartialAps
from quant_accuracy.settings.gates import CLASS_DROP, ENCODINGS_DRIFT, OF_BASELINE, OF_DEVICE, Gate, KnownFailure


def judge(gates: Sequence[Gate], figures: Figures) -> List[Verdict]:
    """Judge the figures of all variants by the accuracy gates of a model card, in the card's order.

    Those that are known to fail are told apart, see `known_failures`; not where there is nothing to compare with.
    """
    of_variants = {gate: judge_one(gate, figures) for gate in gates if gate.name not in (*OF_DEVICE, ENCODINGS_DRIFT)}
    # Those on the device say whether it was the simulation that was low.
    found = {**of_variants, **{gate: device_gates.judge(gate, figures, list(of_variants.values()))
                               for gate in gates if gate.name in OF_DEVICE}}
    return [known_failures.apply(found[gate], _known(gate, figures)) for gate in gates if gate in found]


def _known(gate: Gate, figures: Figures) -> Optional[KnownFailure]:
    """A baseline that is missing, or is of other data, is no known failure of the model."""
    compares = gate.name in OF_BASELINE
    return None if compares and baseline_gates.incomparable(figures) is not None else gate.known_failure


def judge_one(gate: Gate, figures: Figures) -> Verdict:
    """The verdict of one gate.

    - `float_mAP`: the mAP of the float variant is the expected one, within the limit;
    - `float_mAP_floor`, `mAP_floor`: the mAP of the float, of the quantized variant is at least the limit;
    - `mAP_drop`: float mAP - quantized mAP is at most the limit;
    - `mAP_ratio`: quantized mAP / float mAP is at least the limit (MLPerf's rule);
    - `class_AP_drop`: the same as `mAP_drop` for the AP of every class, see `class_drop`;
    - those of the baseline, see `baseline_gates`;
    - those of the device, see `device_gates`.

    On a part of the data set the whole 95 % interval has to lie inside, or outside, of what is allowed; otherwise, and
    where no interval is honest, the verdict is `inconclusive`. So is a drop that no quantized model could exceed.

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    if gate.name == CLASS_DROP:
        return class_drop.judge(gate, figures)
    if gate.name in OF_BASELINE:
        return baseline_gates.judge(gate, figures)
    if gate.name in OF_DEVICE:
        return device_gates.judge(gate, figures)
    rule = _RULES[gate.name]
    float_map, quantized_map = verdicts.mean_ap(figures.float_metrics), verdicts.mean_ap(figures.quantized_metrics)
    value, limit = rule.measure(float_map, quantized_map), float(gate.limit or 0.0)
    if gate.expected is not None:
        allowed = Bounds(gate.expected - limit, gate.expected + limit)
    else:
        allowed = Bounds(limit, None) if rule.at_least else Bounds(None, limit)
    interval = None if figures.part is None else rule.interval(figures.part.aps)
    outcome = INCONCLUSIVE if figures.part is not None and interval is None else \
        allowed.outcome(interval or Interval(value, value))
    tolerance = None if figures.jitter is None or rule.figure is None else \
        jitter.tolerance(figures.jitter.figures[rule.figure])
    vacuous = _vacuous(gate, float_map) if outcome == PASS and rule.compares else None
    if vacuous is not None:
        outcome = INCONCLUSIVE
    numbers = _numbers(float_map, quantized_map, interval)
    message = f"{rule.text} {value:.4f} {vacuous or allowed.relation(outcome)} ({numbers})"
    if figures.part is not None:
        message += _unseen(rule, figures.part.aps)
    if outcome == INCONCLUSIVE and vacuous is None:
        message += verdicts.remedy(value, allowed, interval, figures.part)
    elif tolerance is not None and allowed.distance(value) < tolerance:
        message += f"; within the numerical jitter of {tolerance:.4f} of the limit, may flip on another machine"
    return Verdict(gate.name, value, *allowed, outcome, message, interval, tolerance)


class _Rule(NamedTuple):
    """How a gate measures, from the mAP of both variants.

    Attributes:
        text: The figure in words.
        measure: From float and quantized mAP to the figure.
        interval: Where the figure of the whole data set lies, from a part of it.
        at_least: Whether the limit is the smallest value that is allowed.
        figure: The jitter's name of the figure.
        compares: Whether it holds the quantized variant against the float one.
    """

    text: str
    measure: Callable[[float, float], float]
    interval: Callable[[PartialAps], Optional[Interval]]
    at_least: bool = True
    figure: Optional[str] = None
    compares: bool = False


def _ratio(float_map: float, quantized_map: float) -> float:
    return quantized_map / float_map if float_map > 0 else 1.0


_RULES: Dict[str, _Rule] = {
    "float_mAP": _Rule("float mAP", lambda floats, _: floats, lambda aps: aps.mean_ap(quantized=False),
                       figure=jitter.FLOAT_MAP),
    "float_mAP_floor": _Rule("float mAP", lambda floats, _: floats, lambda aps: aps.mean_ap(quantized=False),
                             figure=jitter.FLOAT_MAP),
    "mAP_floor": _Rule("quantized mAP", lambda _, quantized: quantized, lambda aps: aps.mean_ap(quantized=True),
                       figure=jitter.QUANTIZED_MAP),
    "mAP_drop": _Rule("mAP drop", lambda floats, quantized: floats - quantized, lambda aps: aps.drop(), at_least=False,
                      figure=jitter.DROP, compares=True),
    "mAP_ratio": _Rule("mAP ratio", _ratio, lambda aps: aps.ratio(), compares=True),
}


def _vacuous(gate: Gate, float_map: float) -> Optional[str]:
    """Why a comparison with such a float mAP cannot fail; None where it can."""
    if float_map < NEAR_ZERO:
        return f"says nothing: the float mAP is {float_map:.4f}, so there is next to no accuracy to lose"
    if gate.name == "mAP_drop" and float_map <= float(gate.limit or 0.0):
        return f"says nothing: the float mAP is not above the limit of {gate.limit:g}, so no drop can exceed it"
    return None


def _unseen(rule: _Rule, aps: PartialAps) -> str:
    """Of which classes the evaluated images say too little, where that widens an interval or forbids one."""
    images = aps.images
    if not aps.speaks_for_the_whole:
        return (f"; no interval is honest: {images.absent} of {images.classes} classes have no ground truth in the "
                "evaluated images")
    if rule.compares:
        return (f"; the interval allows for {images.absent} of {images.classes} classes without ground truth in the "
                "evaluated images") if images.absent else ""
    return (f"; mAP is too high on few images of a class, so at the lower end {images.rare} of {images.classes} "
            f"classes count as 0, which fewer than {images.least} evaluated images show") if images.rare else ""


def _numbers(float_map: float, quantized_map: float, interval: Optional[Interval]) -> str:
    found = f"float {float_map:.4f}, quantized {quantized_map:.4f}"
    return found if interval is None else f"95 % interval {interval.low:.4f} .. {interval.high:.4f}; {found}"
