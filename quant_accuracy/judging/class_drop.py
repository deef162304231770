"""The gate on the AP drop of every class: which classes lost too much, and of which too little is known."""

from typing import List, NamedTuple, Optional, Sequence

from quant_accuracy.judging import jitter, verdicts
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Bounds, Figures, Verdict
from quant_accuracy.scoring.intervals import Interval, student_interval
from quant_accuracy.scoring.partial import joint_confidence
from quant_accuracy.settings.gates import Gate

_SHOWN = 3


class _Drop(NamedTuple):
    """What is known of one class.

    Attributes:
        name: The class.
        value: Its AP drop.
        images: How many evaluated images show it.
        interval: Where its drop lies; None where too few images show it.
        jitter: Run-to-run variation of its drop from float32 rounding; None where it is not known.
    """

    name: str
    value: float
    images: int
    interval: Optional[Interval]
    jitter: Optional[float]

    def outcome(self, allowed: Bounds, part: bool) -> str:
        """A failure needs the whole interval beyond the limit, on all images of the data set as well.

        To pass, the interval has to lie within on a part of the data set; on all of it the value, which is no estimate
        there, by more than its jitter.
        """
        if self.interval is None:
            return INCONCLUSIVE
        tolerance = self.jitter or 0.0
        of_value = allowed.outcome(Interval(self.value - tolerance, self.value + tolerance))
        of_interval = allowed.outcome(self.interval)
        if part:
            return of_interval if of_interval == of_value else INCONCLUSIVE
        return of_value if of_value == PASS or of_interval == FAIL else INCONCLUSIVE


def judge(gate: Gate, figures: Figures) -> Verdict:
    """The verdict on the AP drops of all classes at once.

    Each class is judged by an interval with Bonferroni's confidence, so that all hold together in 95 % of cases, from
    Student's t over the images that show it. A class in fewer images than such an interval needs cannot be judged.

    Raises:
        QuantAccuracyError: No class has ground truth.
    """
    allowed, part = Bounds(None, gate.limit), figures.part is not None
    drops = _drops(figures)
    outcomes = {drop.name: drop.outcome(allowed, part) for drop in drops}
    outcome = next((known for known in (FAIL, INCONCLUSIVE) if known in outcomes.values()), PASS)
    decisive = sorted((drop for drop in drops if outcomes[drop.name] == outcome), key=lambda drop: -drop.value)
    # A class about which something is known tells more than one that chance decides.
    decisive.sort(key=lambda drop: drop.interval is None)
    worst = decisive[0]
    message = f"AP drop of {worst.name} {worst.value:.4f} {allowed.relation(outcome)}"
    if outcome == INCONCLUSIVE:
        message += f" ({_reasons(decisive, allowed, part, figures)})"
        message += verdicts.remedy(worst.value, allowed, worst.interval, figures.part) or \
            ("; evaluate all shards" if part else "")
    else:
        names = ", ".join(f"{drop.name} {drop.value:.4f}" for drop in decisive[:_SHOWN])
        message += f" (worst classes: {names})" if outcome == PASS else f" ({_classes(len(decisive))}: {names})"
    return Verdict(gate.name, worst.value, None, gate.limit, outcome, message, worst.interval, worst.jitter)


def judged(figures: Figures) -> List[str]:
    """The classes that enough evaluated images show to be judged."""
    images = figures.classes.images
    return [name for name, shown in zip(figures.float_metrics.per_class, images.evaluated.tolist())
            if shown >= images.least]


def _drops(figures: Figures) -> List[_Drop]:
    quantized = figures.quantized_metrics.per_class
    aps = [(position, name, ap, quantized.get(name))
           for position, (name, ap) in enumerate(figures.float_metrics.per_class.items())]
    confidence = joint_confidence(figures.classes.images.classes)
    least = figures.classes.images.least
    of_jitter = figures.jitter.class_drops() if figures.jitter else {}
    found = []
    for position, name, float_ap, quantized_ap in aps:
        if float_ap is not None and quantized_ap is not None:
            images = int(figures.classes.images.evaluated[position])
            deviation = float(figures.classes.deviations[position])
            drop, values = float_ap - quantized_ap, of_jitter.get(name)
            interval = student_interval(drop, deviation, images, confidence) if images >= least else None
            found.append(_Drop(name, drop, images, interval, jitter.tolerance(values) if values else None))
    if not found:
        raise verdicts.no_truth()
    return found


def _reasons(undecided: Sequence[_Drop], allowed: Bounds, part: bool, figures: Figures) -> str:
    """Why classes cannot be judged, those of one reason together."""
    few = [drop for drop in undecided if drop.interval is None]
    unsteady = [drop for drop in undecided if drop.interval is not None and (drop.jitter or 0.0) > 0
                and allowed.distance(drop.value) < (drop.jitter or 0.0)]
    others = [drop for drop in undecided if drop not in few and drop not in unsteady]
    images = figures.classes.images
    parts = []
    if others:
        parts.append(f"{_classes(len(others))} whose 95 % interval holds the limit: " + ", ".join(
            f"{drop.name} {drop.interval.low:.4f} .. {drop.interval.high:.4f}" for drop in others[:_SHOWN]
            if drop.interval is not None))
    if unsteady:
        parts.append(f"{_classes(len(unsteady))} within the numerical jitter of the limit: " + ", ".join(
            f"{drop.name} {drop.value:.4f} ± {drop.jitter:.4f}" for drop in unsteady[:_SHOWN]))
    if few:
        parts.append(f"{_classes(len(few))} with fewer than the {images.least} images that a verdict on "
                     f"{images.classes} classes needs: " + ", ".join(
                         f"{drop.name} {drop.value:.4f} in {drop.images}" for drop in few[:_SHOWN]))
    return "; ".join(parts)


def _classes(count: int) -> str:
    return f"{count} class{'' if count == 1 else 'es'}"
