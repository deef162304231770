"""What figures a failed gate asks for, in terms of the quantized variant."""

import math
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from quant_accuracy.judging.verdicts import FAIL, Verdict
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.settings.gates import CLASS_DROP, DEVICE_FLOOR, OF_DEVICE

# What quantizers can be to blame for: gates of one rank are met together, and those of a later rank count only where
# none of an earlier one failed. A baseline leaves no more room than the numerical jitter, which would name half of the
# network beside the culprit.
_RANKS = (("mAP_drop", "mAP_ratio", "mAP_floor", DEVICE_FLOOR), (CLASS_DROP,), ("mAP_baseline",))


@dataclass(frozen=True)
class Goal:
    """What the quantized variant should reach.

    Attributes:
        gates: The failed gates that ask for it.
        mean_ap: mAP at least; None where no gate asks for one.
        class_drop: For no class float AP - quantized AP above this; None where no gate asks for it.
        float_metrics: The metrics of the float variant.
        classes: The classes that the gate can judge: the drop of others is chance. None for all of them.
    """

    gates: Sequence[str]
    mean_ap: Optional[float]
    class_drop: Optional[float]
    float_metrics: Metrics
    classes: Optional[Sequence[str]] = None

    def lacking(self, quantized: Metrics) -> float:
        """By how much AP these figures of the quantized variant miss the goal; 0 or less where they meet it."""
        figure, missing = quantized.figures["mAP"], []
        if self.mean_ap is not None:
            missing.append(math.inf if figure is None else self.mean_ap - figure)
        if self.class_drop is not None:
            missing += [drop - self.class_drop for name, drop in class_drops(self.float_metrics, quantized).items()
                        if self.classes is None or name in self.classes]
        return max(missing, default=0.0)

    def met(self, quantized: Metrics) -> bool:
        """Whether these figures of the quantized variant are good enough."""
        return self.lacking(quantized) <= 0

    def __str__(self) -> str:
        parts = [] if self.mean_ap is None else [f"quantized mAP at least {self.mean_ap:.4f}"]
        parts += [] if self.class_drop is None else [f"AP drop of each class at most {self.class_drop:g}"]
        return " and ".join(parts)


def of_verdicts(verdicts: Sequence[Verdict], floats: Metrics, quantized: Metrics,
                classes: Optional[Sequence[str]] = None) -> Optional[Goal]:
    """The goal that the failed gates on the quantized mAP set; None where none of them failed for a loss.

    Args:
        verdicts: What all gates said.
        floats: The metrics of the float variant.
        quantized: The metrics of the quantized variant.
        classes: The classes that the gate on class drops can judge; None for all of them.
    """
    losses = [verdict for verdict in verdicts if _is_loss(verdict) and not _of_device_alone(verdict, quantized)]
    ranked = ([verdict for verdict in losses if verdict.gate in gates] for gates in _RANKS)
    failed = next(filter(None, ranked), None)
    if failed is None:
        return None
    needed = [value for value in (_mean_ap(verdict, floats, quantized) for verdict in failed) if value is not None]
    drops = [verdict.upper for verdict in failed if verdict.gate == CLASS_DROP and verdict.upper is not None]
    return Goal([verdict.gate for verdict in failed], max(needed, default=None), min(drops, default=None), floats,
                classes)


def of_device_alone(verdicts: Sequence[Verdict], quantized: Metrics) -> List[str]:
    """The gates that failed for what the device loses, and the simulation does not: no quantizer is to blame."""
    return [verdict.gate for verdict in verdicts if verdict.outcome == FAIL and verdict.known_failure is None
            and _of_device_alone(verdict, quantized)]


def _of_device_alone(verdict: Verdict, quantized: Metrics) -> bool:
    figure = quantized.figures["mAP"]
    low = verdict.gate == DEVICE_FLOOR and verdict.lower is not None and figure is not None and figure < verdict.lower
    return verdict.gate in OF_DEVICE and not low


def class_drops(floats: Metrics, quantized: Metrics) -> Dict[str, float]:
    """Float AP - quantized AP of each class that has both."""
    found = {}
    for name, float_ap in floats.per_class.items():
        quantized_ap = quantized.per_class.get(name)
        if float_ap is not None and quantized_ap is not None:
            found[name] = float_ap - quantized_ap
    return found


def _is_loss(verdict: Verdict) -> bool:
    """A baseline also fails for a gain, and without anything to compare with: neither is a quantizer's fault.

    Nor is a known failure that passes now.
    """
    if verdict.outcome != FAIL or verdict.known_failure is not None or verdict.value is None:
        return False
    too_low = verdict.lower is not None and verdict.value < verdict.lower
    return too_low or (verdict.lower is None and verdict.upper is not None)


def _mean_ap(verdict: Verdict, floats: Metrics, quantized: Metrics) -> Optional[float]:
    """The quantized mAP with which the gate would not have failed."""
    float_ap, quantized_ap = floats.figures["mAP"], quantized.figures["mAP"]
    if float_ap is None or quantized_ap is None or verdict.value is None or verdict.gate == CLASS_DROP:
        return None
    if verdict.gate == "mAP_drop" and verdict.upper is not None:
        return float_ap - verdict.upper
    if verdict.lower is None:
        return None
    if verdict.gate == "mAP_ratio":
        return float_ap * verdict.lower
    if verdict.gate == DEVICE_FLOOR:
        # What the device loses in addition is not for quantizers to gain.
        return verdict.lower
    # A baseline on a part of the data compares means of shards; what they lack the whole lacks too, nearly.
    return quantized_ap + verdict.lower - verdict.value
