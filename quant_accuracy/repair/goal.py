"""What the gates of a card ask of a repair, as far as the evaluated images can tell."""

from dataclasses import dataclass, field
from typing import Callable, Collection, Dict, Mapping, Optional, Sequence, Tuple

from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS
from quant_accuracy.settings.gates import CLASS_DROP, OF_QUANTIZATION, Gate

# From the mAP of the float variant and a limit to the drop that it allows.
_DROPS: Dict[str, Callable[[float, float], float]] = {
    "mAP_drop": lambda _, limit: limit,
    "mAP_floor": lambda of_float, limit: of_float - limit,
    "mAP_ratio": lambda of_float, limit: of_float * (1.0 - limit),
}


@dataclass(frozen=True)
class Goal:
    """What a repair has to meet.

    Attributes:
        of_float: The mAP of the float variant.
        allowed: The largest drop of mAP that the gates allow together; None where none of them is on mAP.
        impossible: The gates that the float variant itself fails in place of the quantized one, each with its limit:
            no way to quantize it passes them.
        unsure: The gates that not even the float variant passes for sure, since there are too few images: a repair
            need not either, as long as it does not fail them.
        classes: What the classes may lose that the red card loses more of, by name.
    """

    of_float: float
    allowed: Optional[float]
    impossible: Tuple[str, ...] = ()
    unsure: Tuple[str, ...] = ()
    classes: Mapping[str, float] = field(default_factory=dict)

    def out_of_reach(self, strict: bool) -> bool:
        """Whether no way to quantize the float variant is a repair.

        Args:
            strict: An inconclusive gate is no pass.
        """
        return bool(self.impossible or (strict and self.unsure))

    def accepts(self, outcomes: Mapping[str, str], strict: bool) -> bool:
        """Whether a repair may have these outcomes on all images.

        The gate on classes may be inconclusive, as it often is; with `strict` none may.

        Args:
            outcomes: What each gate says, by name.
            strict: An inconclusive gate is no pass.
        """
        lenient: Collection[str] = () if strict else (CLASS_DROP, *self.unsure)
        return bool(outcomes) and all(said == PASS or (said == INCONCLUSIVE and gate in lenient)
                                      for gate, said in outcomes.items())


def of_gates(gates: Sequence[Gate], of_float: float, outcomes: Mapping[str, str],
             class_drops: Mapping[str, float]) -> Goal:
    """What gates ask for.

    Args:
        gates: Those of the card; what is none of `OF_QUANTIZATION` asks for nothing here.
        of_float: The mAP of the float variant.
        outcomes: What each gate says, by name, of the float variant in place of the quantized one.
        class_drops: What the red card loses of the AP of each class.
    """
    limits = {gate.name: gate.limit for gate in gates if gate.name in OF_QUANTIZATION and gate.limit is not None}
    unsure = tuple(name for name in limits if outcomes.get(name) == INCONCLUSIVE)
    drops = [_DROPS[name](of_float, limit) for name, limit in limits.items() if name in _DROPS and name not in unsure]
    of_class = limits.get(CLASS_DROP)
    return Goal(of_float, min(drops, default=None),
                tuple(f"{name} {limit:g}" for name, limit in limits.items() if outcomes.get(name) == FAIL), unsure,
                {} if of_class is None else {name: of_class for name, drop in class_drops.items() if drop > of_class})
