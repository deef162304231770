"""Gates: a metric, what is allowed, and a verdict with its numbers."""

import math
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from quant_accuracy import baseline as baselines
from quant_accuracy import jitter
from quant_accuracy.baseline import Baseline
from quant_accuracy.card import CLASS_DROP, ENCODINGS_DRIFT, Gate
from quant_accuracy.errors import QuantAccuracyError
from quant_accuracy.intervals import Interval, percentile_interval
from quant_accuracy.jitter import Jitter
from quant_accuracy.metrics import Metrics
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.snapshot import Placed

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
_SHOWN = 3


class Samples(NamedTuple):
    """The class APs of both variants on the same resamples of the evaluated images.

    Attributes:
        before: float64 [r, c] of the float variant; NaN where a resample has no ground truth of a class.
        after: float64 [r, c] of the quantized variant.
        images: Number of evaluated images.
        shards: Number of shards that they come from.
        others: Number of shards that were not evaluated.
    """

    before: np.ndarray
    after: np.ndarray
    images: int
    shards: int
    others: int


class Figures(NamedTuple):
    """What there is to judge by.

    Attributes:
        before: The metrics of the float variant.
        after: The metrics of the quantized variant.
        samples: What other images would have given; None where all were evaluated.
        baseline: What was committed; None where nothing was.
        jitter: How far the figures move for no reason; None where it is not known.
        provenance: What the metrics were measured from.
        model: Name of the model card.
    """

    before: Metrics
    after: Metrics
    samples: Optional[Samples]
    baseline: Optional[Baseline]
    jitter: Optional[Jitter]
    provenance: Mapping[str, object]
    model: str


@dataclass(frozen=True)
class Verdict:
    """What a gate says.

    Attributes:
        gate: Name of the gate, as in the model card.
        value: What was measured; None where there is nothing to compare with.
        lower: The smallest value that is allowed; None where any is.
        upper: The largest value that is allowed; None where any is.
        outcome: `pass`, `fail` or `inconclusive`.
        message: One sentence with the numbers.
        interval: Where the value lies with 95 % confidence, when only a part of the data set was evaluated.
        jitter: How far the value moves for no reason; None where it is not known.
    """

    gate: str
    value: Optional[float]
    lower: Optional[float]
    upper: Optional[float]
    outcome: str
    message: str
    interval: Optional[Interval] = None
    jitter: Optional[float] = None


def judge(gates: Sequence[Gate], figures: Figures) -> List[Verdict]:
    """Judge the figures of both variants by the accuracy gates of a model card, in the card's order."""
    return [judge_one(gate, figures) for gate in gates if gate.name != ENCODINGS_DRIFT]


def judge_one(gate: Gate, figures: Figures) -> Verdict:
    """The verdict of one gate.

    - `float_mAP`: the mAP of the float variant is the expected one, within the limit;
    - `float_mAP_floor`, `mAP_floor`: the mAP of the float, of the quantized variant is at least the limit;
    - `mAP_drop`: float mAP - quantized mAP is at most the limit;
    - `mAP_ratio`: quantized mAP / float mAP is at least the limit (MLPerf's rule);
    - `class_AP_drop`: the same as `mAP_drop` for the AP of every class;
    - `float_mAP_baseline`, `mAP_baseline`: the mAP is that of the baseline, within the limit, or within the numerical
      jitter where the card gives no limit. An unexplained gain is as suspicious as a loss.

    With samples, which stand for the part of the data set that was not evaluated, the whole 95 % interval has to lie
    inside, or outside, of what is allowed; otherwise the verdict is `inconclusive`.

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    if gate.name == CLASS_DROP:
        return _judge_classes(gate, figures)
    rule = _RULES[gate.name]
    before, after = _mean_ap(figures.before), _mean_ap(figures.after)
    value = float(rule.measure(before, after))
    moves = None if figures.jitter is None or rule.figure is None else \
        jitter.tolerance(figures.jitter.figures[rule.figure])
    incomparable = _incomparable(figures) if rule.of_baseline else None
    if incomparable is not None:
        return Verdict(gate.name, value, None, None, FAIL,
                       f"{rule.text} {value:.4f} {incomparable}; {baselines.remedy(figures.model)}")
    allowed = _allowed(gate, rule, figures.baseline)
    interval = _interval(rule, figures.samples)
    outcome = _outcome(allowed, interval or Interval(value, value))
    numbers = f"float {before:.4f}, quantized {after:.4f}"
    if interval is not None:
        numbers = f"95 % interval {interval.low:.4f} .. {interval.high:.4f}; {numbers}"
    message = f"{rule.text} {value:.4f} {_relation(allowed, value, outcome)} ({numbers})"
    message += _remedy(value, allowed, interval, figures.samples) if outcome == INCONCLUSIVE else ""
    message += _origin(figures) if rule.of_baseline and outcome == FAIL else ""
    return Verdict(gate.name, value, *allowed, outcome, message, interval, moves)


def judge_drift(gate: Gate, before: Optional[Sequence[Placed]], after: Sequence[Placed], model: str) -> Verdict:
    """The verdict on the encodings: none has moved, against the snapshot, by more of its range than the limit.

    Args:
        gate: The gate `encodings_drift`.
        before: The snapshot; None where there is none.
        after: What was found now.
        model: Name of the model card.
    """
    limit = float(gate.limit or 0.0)
    if before is None:
        return Verdict(gate.name, None, None, limit, FAIL, "there is no snapshot of the encodings; "
                       f"{baselines.remedy(model)}")
    found = snapshot.drifts(before, after)
    value = found[0].change if found else 0.0
    worse = [drift for drift in found if drift.change > limit]
    if not worse:
        worst = f", {found[0]}" if found and value > 0 else ""
        return Verdict(gate.name, value, None, limit, PASS,
                       f"the encodings of {len(found)} quantizers moved by at most {100 * value:.3g} % of their range, "
                       f"{100 * limit:g} % is allowed{worst}")
    lines = "".join(f"\n  {drift}" for drift in worse)
    return Verdict(gate.name, value, None, limit, FAIL,
                   f"{len(worse)} of {len(found)} encodings moved by more than {100 * limit:g} % of their range:"
                   f"{lines}")


_Allowed = Tuple[Optional[float], Optional[float]]
_Number = Union[float, np.ndarray]


class _Rule(NamedTuple):
    """How a gate measures, from the mAP of both variants; `figure` is the jitter's name of it."""

    text: str
    measure: Callable[[_Number, _Number], _Number]
    at_least: bool = True
    figure: Optional[str] = None
    of_baseline: bool = False


def _ratio(before: _Number, after: _Number) -> _Number:
    return np.where(np.equal(before, 0), 1.0, np.divide(after, np.where(np.equal(before, 0), 1.0, before)))


_RULES: Dict[str, _Rule] = {
    "float_mAP": _Rule("float mAP", lambda before, after: before, figure=jitter.FLOAT_MAP),
    "float_mAP_floor": _Rule("float mAP", lambda before, after: before, figure=jitter.FLOAT_MAP),
    "mAP_floor": _Rule("quantized mAP", lambda before, after: after, figure=jitter.QUANTIZED_MAP),
    "mAP_drop": _Rule("mAP drop", lambda before, after: before - after, at_least=False, figure=jitter.DROP),
    "mAP_ratio": _Rule("mAP ratio", _ratio),
    "float_mAP_baseline": _Rule("float mAP", lambda before, after: before, figure=jitter.FLOAT_MAP, of_baseline=True),
    "mAP_baseline": _Rule("quantized mAP", lambda before, after: after, figure=jitter.QUANTIZED_MAP, of_baseline=True),
}


def _allowed(gate: Gate, rule: _Rule, baseline: Optional[Baseline]) -> _Allowed:
    middle, limit = gate.expected, gate.limit
    if rule.of_baseline and baseline is not None:
        values = baseline.jitter.figures[str(rule.figure)]
        middle, limit = jitter.centre(values), jitter.tolerance(values) if limit is None else limit
    assert limit is not None
    if middle is not None:
        return middle - limit, middle + limit
    return (limit, None) if rule.at_least else (None, limit)


def _outcome(allowed: _Allowed, where: Interval) -> str:
    low, high = (-math.inf if allowed[0] is None else allowed[0]), (math.inf if allowed[1] is None else allowed[1])
    if low <= where.low and where.high <= high:
        return PASS
    return FAIL if where.high < low or where.low > high else INCONCLUSIVE


def _relation(allowed: _Allowed, value: float, outcome: str) -> str:
    low, high = allowed
    if low is not None and high is not None:
        text = {PASS: "lies within", FAIL: "lies outside of", INCONCLUSIVE: "may lie within or outside of"}
        return f"{text[outcome]} {low:.4f} .. {high:.4f}"
    limit = f"{high if low is None else low:g}"
    if outcome == INCONCLUSIVE:
        return f"may lie on either side of {limit}"
    words = ("is at least", "is below") if high is None else ("is at most", "is above")
    return f"{words[outcome == FAIL]} {limit}"


def _interval(rule: _Rule, samples: Optional[Samples]) -> Optional[Interval]:
    if samples is None:
        return None
    before, after = _mean_known(samples.before), _mean_known(samples.after)
    found = percentile_interval(np.asarray(rule.measure(before, after)))
    return None if np.isnan(found.low) else found


def _mean_known(class_aps: np.ndarray) -> np.ndarray:
    """The mean over the classes that have ground truth, for each resample."""
    known = ~np.isnan(class_aps)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, class_aps, 0.0).sum(axis=1) / known.sum(axis=1))


class _ClassDrop(NamedTuple):
    name: str
    value: float
    interval: Optional[Interval]


def _judge_classes(gate: Gate, figures: Figures) -> Verdict:
    """All classes at once: with samples the confidence is Bonferroni's, so that all intervals hold together."""
    limit = gate.limit
    drops = _class_drops(figures)
    outcomes = {drop.name: _outcome((None, limit), drop.interval or Interval(drop.value, drop.value))
                for drop in drops}
    outcome = next((known for known in (FAIL, INCONCLUSIVE) if known in outcomes.values()), PASS)
    decisive = sorted((drop for drop in drops if outcomes[drop.name] == outcome), key=lambda drop: -drop.value)
    worst = decisive[0]
    names = ", ".join(f"{drop.name} {drop.value:.4f}" for drop in decisive[:_SHOWN])
    message = f"AP drop of {worst.name} {worst.value:.4f} {_relation((None, limit), worst.value, outcome)}"
    message += f" (worst classes: {names})" if outcome == PASS else f" ({len(decisive)} such classes: {names})"
    if outcome == INCONCLUSIVE:
        message += _remedy(worst.value, (None, limit), worst.interval, figures.samples)
    known = figures.jitter.class_drops.get(worst.name) if figures.jitter else None
    return Verdict(gate.name, worst.value, None, limit, outcome, message, worst.interval,
                   jitter.tolerance(known) if known else None)


def _class_drops(figures: Figures) -> List[_ClassDrop]:
    found = []
    classes = list(figures.before.per_class)
    confidence = 1 - 0.05 / max(1, sum(ap is not None for ap in figures.before.per_class.values()))
    for position, name in enumerate(classes):
        before, after = figures.before.per_class[name], figures.after.per_class.get(name)
        if before is None or after is None:
            continue
        interval = None
        if figures.samples is not None:
            interval = percentile_interval(figures.samples.before[:, position] - figures.samples.after[:, position],
                                           confidence)
        found.append(_ClassDrop(name, before - after, interval))
    if not found:
        raise _no_truth()
    return found


def _remedy(value: float, allowed: _Allowed, interval: Optional[Interval], samples: Optional[Samples]) -> str:
    """How many more shards would probably settle it: an interval narrows with the root of the number of images."""
    if interval is None or samples is None:
        return ""
    needed = 0.0
    for limit in allowed:
        if limit is not None:
            reach, distance = (value - interval.low if limit < value else interval.high - value), abs(value - limit)
            images = samples.images * (reach / distance) ** 2 - samples.images if distance > 0 else math.inf
            needed = max(needed, images / (samples.images / samples.shards))
    if not 0 < needed <= samples.others:
        return "; evaluate all shards"
    return f"; {math.ceil(needed)} more shards would probably settle it"


def _incomparable(figures: Figures) -> Optional[str]:
    """Why there is no baseline for these figures; None where there is one."""
    if figures.baseline is None:
        return "has no baseline to compare with"
    others = baselines.other_data(figures.baseline, figures.provenance)
    return f"cannot be compared: the baseline was measured on other images ({_some(others)})" if others else None


def _origin(figures: Figures) -> str:
    others = figures.baseline and baselines.other_origin(figures.baseline, figures.provenance)
    if not others:
        return "; checkpoint, settings and versions are those of the baseline"
    return f"; other than in the baseline: {_some(others)}"


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(lines[:_SHOWN]) + more


def _mean_ap(metrics: Metrics) -> float:
    value: Optional[float] = metrics.figures["mAP"]
    if value is None:
        raise _no_truth()
    return value


def _no_truth() -> QuantAccuracyError:
    return QuantAccuracyError("there is no ground truth in the evaluated images, so there is no mAP; "
                              "evaluate more shards")
