"""Gates on what a device gives: how good it is, what it loses against the simulation, whether it sees the same.

A device can be bad for two reasons, whose remedies differ: the simulation was already low, or the device does not do
what was simulated. A failed gate says which; both may hold.
"""

from typing import List, Optional, Sequence

from quant_accuracy.judging import jitter, verdicts
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Bounds, DeviceFigures, Figures, Verdict
from quant_accuracy.scoring.agreement import OTHER_SCORE, Agreement
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.settings.gates import AGREEMENT, DEVICE_DROP, DEVICE_FLOOR, Gate

# What there is to be judged, by gate.
_TEXTS = {DEVICE_FLOOR: "device mAP", DEVICE_DROP: "device mAP drop", AGREEMENT: "device agreement"}
# Gates whose failure says that the simulation is low.
_OF_SIMULATION = ("mAP_floor", "mAP_drop", "mAP_ratio")
NO_SOURCE = "there is no device: give --device, --device-outputs or --device-detections"


def judge(gate: Gate, figures: Figures, others: Sequence[Verdict] = ()) -> Verdict:
    """The verdict of a gate on the device.

    - `device_mAP_floor`: the mAP of the device is at least the limit;
    - `device_mAP_drop`: quantized mAP - device mAP is at most the limit, on the images that the device has run;
    - `device_agreement`: so large a share of the simulation's detections the device has too, see `agreement`.

    On a part of the data set the whole 95 % interval has to lie on one side of the limit, as for all gates. Without a
    device the gate is inconclusive: it is neither kept nor broken.

    Args:
        gate: One of `OF_DEVICE`.
        figures: The figures.
        others: What the card's other gates say, which may know that the simulation is low.

    Raises:
        QuantAccuracyError: There is no mAP to judge by.
    """
    device = figures.device
    if device is None:
        return Verdict(gate.name, None, None, None, INCONCLUSIVE,
                       f"{_TEXTS[gate.name]} could not be judged: {NO_SOURCE}")
    if gate.name == AGREEMENT:
        return _judge_agreement(gate, device)
    simulated, value = verdicts.mean_ap(device.quantized_metrics), verdicts.mean_ap(device.metrics)
    limit = float(gate.limit or 0.0)
    if gate.name == DEVICE_DROP:
        measured, allowed = simulated - value, Bounds(None, limit)
    else:
        measured, allowed = value, Bounds(limit, None)
    interval = None
    if device.part is not None:
        aps = device.part.aps
        interval = aps.drop() if gate.name == DEVICE_DROP else aps.mean_ap(quantized=True)
    outcome = INCONCLUSIVE if device.part is not None and interval is None else \
        allowed.outcome(interval or Interval(measured, measured))
    vacuous = outcome == PASS and gate.name == DEVICE_DROP and simulated <= max(limit, verdicts.NEAR_ZERO)
    if vacuous:
        outcome = INCONCLUSIVE
    relation = f"says nothing: the quantized mAP is {simulated:.4f}, so there is next to no accuracy to lose" \
        if vacuous else allowed.relation(outcome)
    message = f"{_TEXTS[gate.name]} {measured:.4f} {relation} ({_numbers(device, interval)})"
    # Integer kernels give the same everywhere: what moves a drop is the simulation.
    moves = _jitter(figures) if gate.name == DEVICE_DROP else None
    if outcome == FAIL:
        message += f": {_cause(gate, figures, device, others)}"
    elif outcome == INCONCLUSIVE and not vacuous:
        message += _unseen(device) + _remedy(measured, allowed, interval, device)
    elif moves is not None and allowed.distance(measured) < moves:
        message += f"; within the numerical jitter of {moves:.4f} of the limit, may flip on another machine"
    return Verdict(gate.name, measured, *allowed, outcome, message, interval, moves)


def _numbers(device: DeviceFigures, interval: Optional[Interval]) -> str:
    maps = ", ".join(f"{name} {verdicts.mean_ap(metrics):.4f}" for name, metrics in (
        ("float", device.float_metrics), ("quantized", device.quantized_metrics), ("device", device.metrics)))
    found = maps + (f", all on the {device.metrics.images} images that the device has run" if device.missing else "")
    return found if interval is None else f"95 % interval {interval.low:.4f} .. {interval.high:.4f}; {found}"


def _cause(gate: Gate, figures: Figures, device: DeviceFigures, others: Sequence[Verdict]) -> str:
    """Which of the two reasons holds, or that both do."""
    before, simulated, value = map(verdicts.mean_ap, (device.float_metrics, device.quantized_metrics, device.metrics))
    loss = simulated - value
    low = _low(gate, simulated, others)
    if gate.name == DEVICE_FLOOR and loss <= _noticed(figures):
        against = f"loses next to nothing against it ({loss:.4f})" if loss > 0 else "loses nothing against it"
        return f"the simulation was already low ({low or f'quantized {simulated:.4f}'}), the device {against}"
    if low:
        return f"both: the simulation was already low ({low}), and the device loses {loss:.4f} against it"
    return (f"the device loses {loss:.4f} against the simulation, which is not low itself (float - quantized "
            f"{before - simulated:.4f})")


def _noticed(figures: Figures) -> float:
    """A loss up to this is no more than rounding does to the simulation."""
    return _jitter(figures) or jitter.LEAST


def _jitter(figures: Figures) -> Optional[float]:
    """How far the simulation moves by rounding; None where that is not known for the images of the device."""
    if figures.jitter is None or figures.device is None or figures.device.missing:
        return None
    return jitter.tolerance(figures.jitter.figures[jitter.QUANTIZED_MAP])


def _low(gate: Gate, simulated: float, others: Sequence[Verdict]) -> str:
    """What says that the simulation is low; empty where nothing does."""
    if gate.name == DEVICE_FLOOR and gate.limit is not None and simulated < gate.limit:
        return f"quantized {simulated:.4f} is below {gate.limit:g}"
    return ", ".join(f"{verdict.gate} {verdict.value:.4f}" for verdict in others
                     if verdict.gate in _OF_SIMULATION and verdict.outcome == FAIL
                     and verdict.value is not None)


def _unseen(device: DeviceFigures) -> str:
    if device.part is None or device.part.aps.speaks_for_the_whole:
        return ""
    images = device.part.aps.images
    return (f"; no interval is honest: {images.absent} of {images.classes} classes have no ground truth in the images "
            "that the device has run")


def _remedy(value: float, allowed: Bounds, interval: Optional[Interval], device: DeviceFigures) -> str:
    if device.missing:
        return f"; let the device run the {device.missing} other images that were evaluated"
    return verdicts.remedy(value, allowed, interval, device.part) or ("; evaluate all shards" if device.part else "")


def _judge_agreement(gate: Gate, device: DeviceFigures) -> Verdict:
    found, allowed = device.agreement, Bounds(gate.limit, None)
    share, interval = found.share, device.agreement_interval
    text = f"{_TEXTS[AGREEMENT]}"
    if share is None:
        return Verdict(gate.name, None, *allowed, INCONCLUSIVE, f"{text} says nothing: no detection of the simulation "
                       f"has a score of {found.rule.score:g}; lower gates.{AGREEMENT}.score")
    outcome = allowed.outcome(interval or Interval(share, share))
    numbers = agreement_in_words(found)
    if interval is not None:
        numbers = f"95 % interval {interval.low:.4f} .. {interval.high:.4f}; {numbers}"
    message = f"{text} {share:.4f} {allowed.relation(outcome)} ({numbers}{_extra(device.extra)})"
    if outcome == FAIL:
        message += f": the device lacks {_lacking(found)}"
    elif outcome == INCONCLUSIVE:
        message += _remedy(share, allowed, interval, device)
    return Verdict(gate.name, share, *allowed, outcome, message, interval)


def agreement_in_words(found: Agreement) -> str:
    """How many detections both have, and how far these differ."""
    asked, agreed = int(found.asked.sum()), int(found.agreed.sum())
    words = (f"{agreed} of {asked} detections of the simulation with a score of {found.rule.score:g} are the device's "
             f"too, same class, IoU {found.rule.iou:g}, score {OTHER_SCORE * found.rule.score:g}")
    if not agreed:
        return words
    return (f"{words}; mean IoU {found.ious.mean():.3f}, mean score difference "
            f"{found.score_differences.mean():+.3f}, largest {_largest(found):+.3f}")


def _largest(found: Agreement) -> float:
    differences: List[float] = found.score_differences.tolist()
    return max(differences, key=abs)


def _extra(extra: Agreement) -> str:
    alone = int(extra.asked.sum()) - int(extra.agreed.sum())
    return f"; {alone} of the device's {int(extra.asked.sum())} are not the simulation's"


def _lacking(found: Agreement) -> str:
    """How many detections are lacking, and what became of them."""
    count = int(found.asked.sum()) - int(found.agreed.sum())
    kinds = sorted(((number, reason) for reason, number in found.reasons.items() if number), reverse=True)
    return f"{count} ({', '.join(f'{reason} {number}' for number, reason in kinds)})"
