"""Gates: a metric, what is allowed, and a verdict with its numbers."""

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Union

import numpy as np

from quant_accuracy.card import CLASS_DROP, ENCODINGS_DRIFT, OF_BASELINE, Gate
from quant_accuracy.errors import QuantAccuracyError
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import jitter, verdicts
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Bounds, Figures, Samples, Verdict
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.scoring.intervals import Interval, bias_corrected_interval, mean_known, percentile_interval
from quant_accuracy.scoring.metrics import Metrics

_SHOWN = 3


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
    if gate.name in OF_BASELINE:
        return _judge_baseline(gate, figures)
    rule = _RULES[gate.name]
    before, after = _mean_ap(figures.before), _mean_ap(figures.after)
    value, limit = float(rule.measure(before, after)), float(gate.limit or 0.0)
    if gate.expected is not None:
        allowed = Bounds(gate.expected - limit, gate.expected + limit)
    else:
        allowed = Bounds(limit, None) if rule.at_least else Bounds(None, limit)
    interval = _interval(rule, value, figures.samples)
    outcome = allowed.outcome(interval or Interval(value, value))
    moves = None if figures.jitter is None or rule.figure is None else \
        jitter.tolerance(figures.jitter.figures[rule.figure])
    message = f"{rule.text} {value:.4f} {allowed.relation(outcome)} ({_numbers(before, after, interval)})"
    if outcome == INCONCLUSIVE:
        message += verdicts.remedy(value, allowed, interval, figures.samples)
    elif moves is not None and allowed.distance(value) < moves:
        message += f"; nearer to the limit than the numerical jitter of {moves:.4f}: another machine may say otherwise"
    return Verdict(gate.name, value, *allowed, outcome, message, interval, moves)


def judge_drift(gate: Gate, before: Optional[Sequence[Placed]], after: Sequence[Placed], model: str) -> Verdict:
    """The verdict on the encodings: none has moved, against the snapshot, by more of its range than the limit.

    Args:
        gate: The gate `encodings_drift`.
        before: The snapshot; None where there is none.
        after: What was found now.
        model: The options that name model and data, for the command in the message.
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


_Number = Union[float, np.ndarray]


class _Rule(NamedTuple):
    """How a gate measures, from the mAP of both variants.

    What makes a mAP too large on few images cancels out where both variants are compared (`paired`), and is corrected
    elsewhere. `figure` is the jitter's name of what is measured.
    """

    text: str
    measure: Callable[[_Number, _Number], _Number]
    at_least: bool = True
    figure: Optional[str] = None
    paired: bool = False


def _ratio(before: _Number, after: _Number) -> _Number:
    return np.where(np.equal(before, 0), 1.0, np.divide(after, np.where(np.equal(before, 0), 1.0, before)))


_RULES: Dict[str, _Rule] = {
    "float_mAP": _Rule("float mAP", lambda before, after: before, figure=jitter.FLOAT_MAP),
    "float_mAP_floor": _Rule("float mAP", lambda before, after: before, figure=jitter.FLOAT_MAP),
    "mAP_floor": _Rule("quantized mAP", lambda before, after: after, figure=jitter.QUANTIZED_MAP),
    "mAP_drop": _Rule("mAP drop", lambda before, after: before - after, at_least=False, figure=jitter.DROP,
                      paired=True),
    "mAP_ratio": _Rule("mAP ratio", _ratio, paired=True),
}
_OF_BASELINE = dict(zip(OF_BASELINE, (jitter.FLOAT_MAP, jitter.QUANTIZED_MAP)))


def _judge_baseline(gate: Gate, figures: Figures) -> Verdict:
    """The same images are compared: on a part of the shards, the mean of their own mAPs; nothing is left to chance."""
    figure = _OF_BASELINE[gate.name]
    before, after = _mean_ap(figures.before), _mean_ap(figures.after)
    value = before if figure == jitter.FLOAT_MAP else after
    problem = _incomparable(figures)
    if problem is not None or figures.baseline is None:
        return Verdict(gate.name, value, None, None, FAIL,
                       f"{figure} {value:.4f} {problem}; {baselines.remedy(figures.model)}")
    known, text = figures.baseline.jitter.figures[figure], figure
    if figures.samples is not None:
        if figures.shard_maps is None:
            return Verdict(gate.name, value, None, None, INCONCLUSIVE, f"{figure} {value:.4f} cannot be compared: the "
                           "baseline knows no part of a shard; leave --eval-num-examples out")
        own = figures.shard_maps[figure]
        value = float(np.mean(list(own.values())))
        known = figures.baseline.jitter.of_shards(figure, list(own))
        text = f"mean of the {figure} of {verdicts.shards(len(own))}"
    limit = jitter.tolerance(known) if gate.limit is None else gate.limit
    allowed = Bounds(jitter.centre(known) - limit, jitter.centre(known) + limit)
    outcome = allowed.outcome(Interval(value, value))
    message = f"{text} {value:.4f} {allowed.relation(outcome)} ({_numbers(before, after, None)})"
    message += _origin(figures.baseline, figures) if outcome == FAIL else ""
    return Verdict(gate.name, value, *allowed, outcome, message, None, jitter.tolerance(known))


def _numbers(before: float, after: float, interval: Optional[Interval]) -> str:
    found = f"float {before:.4f}, quantized {after:.4f}"
    return found if interval is None else f"95 % interval {interval.low:.4f} .. {interval.high:.4f}; {found}"


def _interval(rule: _Rule, value: float, samples: Optional[Samples]) -> Optional[Interval]:
    if samples is None:
        return None
    measured = np.asarray(rule.measure(mean_known(samples.before), mean_known(samples.after)))
    found = percentile_interval(measured) if rule.paired else bias_corrected_interval(measured, value)
    return None if np.isnan(found.low) else found


class _ClassDrop(NamedTuple):
    name: str
    value: float
    interval: Optional[Interval]


def _judge_classes(gate: Gate, figures: Figures) -> Verdict:
    """All classes at once: with samples the confidence is Bonferroni's, so that all intervals hold together."""
    limit = gate.limit
    drops = _class_drops(figures)
    allowed = Bounds(None, limit)
    outcomes = {drop.name: allowed.outcome(drop.interval or Interval(drop.value, drop.value)) for drop in drops}
    outcome = next((known for known in (FAIL, INCONCLUSIVE) if known in outcomes.values()), PASS)
    decisive = sorted((drop for drop in drops if outcomes[drop.name] == outcome), key=lambda drop: -drop.value)
    worst = decisive[0]
    names = ", ".join(f"{drop.name} {drop.value:.4f}" for drop in decisive[:_SHOWN])
    message = f"AP drop of {worst.name} {worst.value:.4f} {allowed.relation(outcome)}"
    message += f" (worst classes: {names})" if outcome == PASS else f" ({len(decisive)} such classes: {names})"
    if outcome == INCONCLUSIVE:
        message += verdicts.remedy(worst.value, allowed, worst.interval, figures.samples)
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


def _incomparable(figures: Figures) -> Optional[str]:
    """Why there is no baseline for these figures; None where there is one."""
    if figures.baseline is None:
        return "has no baseline to compare with"
    others = baselines.other_data(figures.baseline, figures.provenance, whole=figures.samples is None)
    return f"cannot be compared: the baseline was measured on other images ({_some(others)})" if others else None


def _origin(baseline: Baseline, figures: Figures) -> str:
    others = baselines.other_origin(baseline, figures.provenance)
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
                              "evaluate more shards, or name the annotations of these images with "
                              "--annotation-json-file")
