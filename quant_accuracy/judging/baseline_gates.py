"""Gates that compare with the committed baseline: the mAP of each variant, and the AP of each of its classes."""

from typing import List, NamedTuple, Optional, Sequence

from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import jitter, verdicts
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Range
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Bounds, Figures, Verdict
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.matching import IOU_THRESHOLDS
from quant_accuracy.settings.gates import CLASS_BASELINES, FLOAT_BASELINES, Gate

_SHOWN = 3


def judge(gate: Gate, figures: Figures) -> Verdict:
    """The verdict of a gate of the baseline; an unexplained gain is as suspicious as a loss.

    - `float_mAP_baseline`, `mAP_baseline`: the mAP of the float, of the quantized variant is that of the baseline,
      within the limit, or within the numerical jitter where the card gives no limit. On a part of the shards the means
      of the shards' own mAPs are compared: the images are the same, nothing is left to chance;
    - `float_class_AP_baseline`, `class_AP_baseline`: the same for the AP of each class, on all images.

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    figure = jitter.FLOAT_MAP if gate.name in FLOAT_BASELINES else jitter.QUANTIZED_MAP
    value = verdicts.mean_ap(figures.float_metrics if figure == jitter.FLOAT_MAP else figures.quantized_metrics)
    baseline, problem = figures.baseline, incomparable(figures)
    if baseline is None:
        return Verdict(gate.name, value, None, None, FAIL, f"{figure} {value:.4f} has {problem}; "
                       f"{baselines.remedy(figures.model)}")
    if problem is not None:
        what = f"the {figure.replace('mAP', 'AP')} of each class" if gate.name in CLASS_BASELINES \
            else f"{figure} {value:.4f}"
        return Verdict(gate.name, value, None, None, FAIL, f"{what} cannot be compared: {problem}; "
                       f"{baselines.remedy(figures.model)}")
    judged = _of_classes if gate.name in CLASS_BASELINES else _of_mean_ap
    return judged(gate, figure, value, figures, baseline)


def incomparable(figures: Figures) -> Optional[str]:
    """Why there is nothing to compare the figures with; None where there is."""
    if figures.baseline is None:
        return "no baseline to compare with"
    if figures.baseline.jitter is None:
        return "the baseline was made for a card without baseline gates, and does not know its jitter"
    return baselines.incomparable(figures.baseline, figures.provenance, whole=figures.part is None)


def _of_mean_ap(gate: Gate, figure: str, value: float, figures: Figures, baseline: Baseline) -> Verdict:
    assert baseline.jitter is not None
    known, named = jitter.of_values(baseline.jitter.figures[figure]), figure
    text = figure
    if figures.part is not None:
        if figures.shard_maps is None:
            return Verdict(gate.name, value, None, None, INCONCLUSIVE, f"{figure} {value:.4f} cannot be compared: the "
                           "baseline knows no part of a shard; leave --eval-num-examples out")
        own = figures.shard_maps[figure]
        value = sum(own.values()) / len(own)
        known, named = baseline.jitter.of_shards(figure, list(own)), f"mean shard {figure}"
        text = f"mean of the {figure} of {verdicts.shards(len(own))}"
    limit = known.tolerance if gate.limit is None else gate.limit
    allowed = Bounds(known.centre - limit, known.centre + limit)
    outcome = allowed.outcome(Interval(value, value))
    float_map, quantized_map = map(verdicts.mean_ap, (figures.float_metrics, figures.quantized_metrics))
    message = f"{text} {value:.4f} {allowed.relation(outcome)} (float {float_map:.4f}, quantized {quantized_map:.4f})"
    message += _origin(baseline, figures) if outcome == FAIL else ""
    return Verdict(gate.name, value, *allowed, outcome, message, None, known.tolerance,
                   named if named != figure else None)


class _Change(NamedTuple):
    """How the AP of a class differs from the baseline.

    Attributes:
        name: The class.
        value: Its AP; None where it has no ground truth now.
        known: Where it lies by jitter only; None where the baseline has no ground truth of it.
        limit: How far from the middle of that it may lie.
    """

    name: str
    value: Optional[float]
    known: Optional[Range]
    limit: float

    @property
    def excess(self) -> float:
        """How far beyond the limit."""
        if self.value is None or self.known is None:
            return float("inf")
        return abs(self.value - self.known.centre) - self.limit

    def __str__(self) -> str:
        now, before = (None if self.value is None else f"{self.value:.4f}",
                       None if self.known is None else f"{self.known.centre:.4f} ± {self.limit:.4f}")
        return f"{self.name} {before or 'not in the baseline'} -> {now or 'without ground truth'}"


def _of_classes(gate: Gate, figure: str, value: float, figures: Figures, baseline: Baseline) -> Verdict:
    """All classes at once: with Bonferroni's confidence each, all lie within in 99 % of unchanged runs."""
    aps = figure.replace("mAP", "AP")
    if figures.part is not None:
        return Verdict(gate.name, None, None, None, INCONCLUSIVE, f"the baseline knows the {aps} of each class on all "
                       "images only; evaluate all shards", figure=f"class {aps}")
    changes = sorted(_changes(gate, figure, figures, baseline), key=lambda change: -change.excess)
    worst, beyond = changes[0], [change for change in changes if change.excess > 0]
    bounds = Bounds(None, None)
    if worst.known is not None:
        bounds = Bounds(worst.known.centre - worst.limit, worst.known.centre + worst.limit)
    if beyond:
        more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
        message = (f"the {aps} of {len(beyond)} of {len(changes)} classes is not that of the baseline: "
                   f"{', '.join(map(str, beyond[:_SHOWN]))}{more}{_origin(baseline, figures)}")
    else:
        message = (f"the {aps} of {len(changes)} classes is that of the baseline within its jitter (nearest to the "
                   f"limit: {worst})")
    return Verdict(gate.name, worst.value, *bounds, FAIL if beyond else PASS, message, None,
                   None if worst.known is None else worst.known.tolerance, f"{aps} of {worst.name}")


def _changes(gate: Gate, figure: str, figures: Figures, baseline: Baseline) -> List[_Change]:
    metrics = figures.float_metrics if figure == jitter.FLOAT_MAP else figures.quantized_metrics
    assert baseline.jitter is not None
    of_baseline = baseline.jitter.classes[figure]
    objects = dict(zip(metrics.per_class, figures.classes.objects.tolist()))
    names = [name for name in metrics.per_class if metrics.per_class[name] is not None or name in of_baseline]
    names += [name for name in of_baseline if name not in metrics.per_class]
    if not names:
        raise verdicts.no_truth()
    confidence = 1.0 - 0.01 / len(names)
    changes = []
    for name in names:
        known = jitter.of_values(of_baseline[name], confidence) if name in of_baseline else None
        # One box that crosses one IoU threshold is one object more or less there; nine equal values cannot rule it out.
        least = 1.0 / (len(IOU_THRESHOLDS) * max(1, objects.get(name, 1)))
        limit = gate.limit if gate.limit is not None else max(least, 0.0 if known is None else known.tolerance)
        changes.append(_Change(name, metrics.per_class.get(name), known, limit))
    return changes


def _origin(baseline: Baseline, figures: Figures) -> str:
    others = baselines.other_origin(baseline, figures.provenance)
    if not others:
        return "; checkpoint, settings and versions are those of the baseline"
    return f"; other than in the baseline: {some(others)}"


def some(lines: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(lines[:_SHOWN]) + more
