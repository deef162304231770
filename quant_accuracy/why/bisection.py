"""The smallest set of quantizers without which a goal is met, found by measuring the real figures.

Quantizers come ranked. As many of the first as needed are switched off, their number found by doubling and halving;
where a few do not suffice, only those of a family that does are looked at. Then those that are not needed are switched
on again, part by part (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, IEEE TSE 2002), until
none of the rest can be.
"""

from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

from quant_accuracy.scoring.metrics import Metrics

Off = FrozenSet[str]
# So many are culprits of their own; more have something in common.
_FEW = (1, 2, 4)


@dataclass(frozen=True)
class Trial:
    """A measurement with some quantizers off.

    Attributes:
        off: Their tensors, in the order of the ranking.
        metrics: The figures of the quantized variant without them.
        met: Whether they meet the goal.
    """

    off: Tuple[str, ...]
    metrics: Metrics
    met: bool


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        best: The trial with the smallest set that meets the goal; None where none was found in time.
        smallest: None of the set can be switched on again: time did not run out before that was known.
        trials: All measurements, in their order.
    """

    best: Optional[Trial]
    smallest: bool
    trials: Sequence[Trial]


class _OutOfTimeError(Exception):
    """There is no time for another measurement."""


def search(ranked: Sequence[str], families: Sequence[Sequence[str]], measure: Callable[[Sequence[str]], Metrics],
           met: Callable[[Metrics], bool], time_left: Callable[[], bool]) -> Found:
    """Find a smallest set whose removal meets a goal.

    Args:
        ranked: Tensors of all quantizers that are on, most harmful first; with all of them off the goal is met.
        families: Tensors that have something in common, the family that is tried first at the beginning.
        measure: Gives the figures without the quantizers on some tensors.
        met: Whether figures meet the goal.
        time_left: Whether there is time for another measurement.
    """
    order = {tensor: place for place, tensor in enumerate(ranked)}
    trials: Dict[Off, Trial] = {}

    def holds(off: Off) -> bool:
        if len(off) == len(ranked):
            return True
        if off not in trials:
            if not time_left():
                raise _OutOfTimeError
            listed = tuple(sorted(off, key=order.__getitem__))
            metrics = measure(listed)
            trials[off] = Trial(listed, metrics, met(metrics))
        return trials[off].met

    smallest = False
    try:
        first = _leading(ranked, families, holds)
        smallest = _needed(first, order, holds) is not None
    except _OutOfTimeError:
        pass
    good = [trial for trial in trials.values() if trial.met]
    best = min(good, key=lambda trial: len(trial.off)) if good else None
    return Found(best, smallest and best is not None, list(trials.values()))


def _leading(ranked: Sequence[str], families: Sequence[Sequence[str]], holds: Callable[[Off], bool]) -> Off:
    """As few of the first as meet the goal, as if more of them never did harm."""
    for few in _FEW:
        if holds(frozenset(ranked[:few])):
            return _halved(ranked, few // 2, few, holds)
    chosen = next((set(family) for family in families if holds(frozenset(family))), set(ranked))
    ranked = [tensor for tensor in ranked if tensor in chosen]
    too_few, enough = 0, 2 * _FEW[-1]
    while not holds(frozenset(ranked[:enough])):
        too_few, enough = enough, 2 * enough
    return _halved(ranked, too_few, min(enough, len(ranked)), holds)


def _halved(ranked: Sequence[str], too_few: int, enough: int, holds: Callable[[Off], bool]) -> Off:
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if holds(frozenset(ranked[:middle])) else (middle, enough)
    return frozenset(ranked[:enough])


def _needed(off: Off, order: Dict[str, int], holds: Callable[[Off], bool]) -> Off:
    """What is left of a set when everything is switched on again that need not be off, the least harmful first."""
    size = (len(off) + 1) // 2
    while size:
        groups = _groups(off, order, size)
        while groups:
            rest = off - frozenset(groups.pop(0))
            if rest and holds(rest):
                off = rest
        size //= 2
    return off


def _groups(off: Off, order: Dict[str, int], size: int) -> List[List[str]]:
    listed = sorted(off, key=lambda tensor: -order[tensor])
    return [listed[start:start + size] for start in range(0, len(listed), size)]
