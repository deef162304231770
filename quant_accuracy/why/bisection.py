"""The smallest part of a set of quantizers without which a goal is met, found by measuring the real figures.

The set falls into groups, which come ranked. As many of the first groups as needed are switched off, their number found
by doubling and halving. Then those that are not needed are switched on again, part by part (Zeller and Hildebrandt,
Simplifying and isolating failure-inducing input, IEEE TSE 2002), until none of the rest can be.
"""

from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why.budget import Budget

Off = FrozenSet[str]
Group = Sequence[str]


class Measured(NamedTuple):
    """Figures, and whether they were measured now: what was kept says nothing of what the next ones cost."""

    metrics: Metrics
    now: bool


@dataclass(frozen=True)
class Trial:
    """A measurement with some quantizers off, or with more bits.

    Attributes:
        off: Tensors of the quantizers that are off, in the network's order.
        metrics: The figures of the quantized variant.
        lacking: By how much AP they miss the goal; 0 or less where they meet it.
        raised: Tensors of the quantizers that have more bits, in the network's order; where there are any, those that
            are off have as many bits already, and all were calibrated anew.
    """

    off: Tuple[str, ...]
    metrics: Metrics
    lacking: float
    raised: Tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.lacking <= 0


class OutOfTimeError(Exception):
    """There is no time for another measurement."""


class Trials:
    """Measures sets of quantizers that are off: each once, while there is time for as much as the last one took.

    Args:
        everything: Tensors of all quantizers that are on, in the network's order; with all of them off the goal is met.
        measure: Gives the figures without the quantizers on some tensors.
        lacking: By how much AP figures miss the goal; 0 or less where they meet it.
        cost: Seconds that a measurement takes, as far as is known.
    """

    def __init__(self, everything: Sequence[str], measure: Callable[[Sequence[str]], Measured],
                 lacking: Callable[[Metrics], float], cost: float = 0.0) -> None:
        self.cost = cost
        self._order = {tensor: position for position, tensor in enumerate(everything)}
        self._measure, self._lacking = measure, lacking
        self._done: Dict[Off, Trial] = {}

    def holds(self, off: Off, budget: Budget) -> bool:
        """Whether the goal is met with these off.

        Raises:
            OutOfTimeError: That is not known, and the budget does not allow to measure it.
        """
        if len(off) == len(self._order):
            return True
        if off not in self._done:
            if not budget.allows(self.cost):
                raise OutOfTimeError
            start = budget.clock()
            listed = tuple(sorted(off, key=self._order.__getitem__))
            metrics, now = self._measure(listed)
            if now:
                self.cost = budget.clock() - start
            self._done[off] = Trial(listed, metrics, self._lacking(metrics))
        return self._done[off].met

    def hopeless(self, off: Off) -> bool:
        """Whether the goal is missed with these off and more, which is all the more so with these alone.

        Not always: noise can be worth more than its absence. Good enough for where to look first.
        """
        return any(not trial.met and off <= known for known, trial in self._done.items())

    def done(self) -> List[Trial]:
        """All measurements, in their order."""
        return list(self._done.values())

    def best(self) -> Optional[Trial]:
        """The one with the smallest set that meets the goal, the first of several; None where none does."""
        good = [trial for trial in self._done.values() if trial.met]
        return min(good, key=lambda trial: len(trial.off)) if good else None

    def closest(self) -> Optional[Trial]:
        """The one that comes closest to the goal, of several the smallest set; None before the first one."""
        done = self.done()
        return min(done, key=lambda trial: (trial.lacking, len(trial.off))) if done else None


def smallest(groups: Sequence[Group], trials: Trials, budget: Budget) -> List[Group]:
    """The groups of which none can be switched on again.

    Args:
        groups: The groups, those that are most likely to be needed first; with all of them off the goal is met.
        trials: Measures, and knows what was measured.
        budget: How long.

    Raises:
        OutOfTimeError: The budget is used up.
    """
    def holds(off: Off) -> bool:
        return trials.holds(off, budget)

    needed = list(range(_leading(groups, lambda off: not trials.hopeless(off) and holds(off))))
    size = (len(needed) + 1) // 2
    while size:
        backwards = needed[::-1]
        parts = [set(backwards[start:start + size]) for start in range(0, len(backwards), size)]
        for part in parts:
            rest = [index for index in needed if index not in part]
            if rest and holds(_union(groups, rest)):
                needed = rest
        size //= 2
    return [groups[index] for index in needed]


def _leading(groups: Sequence[Group], holds: Callable[[Off], bool]) -> int:
    """How many of the first meet the goal, as few as there are if more of them never do harm."""
    too_few, enough = 0, 1
    while enough < len(groups) and not holds(_union(groups, range(enough))):
        too_few, enough = enough, 2 * enough
    enough = min(enough, len(groups))
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if holds(_union(groups, range(middle))) else (middle, enough)
    return enough


def _union(groups: Sequence[Group], chosen: Sequence[int]) -> Off:
    return frozenset(tensor for index in chosen for tensor in groups[index])
