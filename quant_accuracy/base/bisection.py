"""The smallest part of a set that meets a goal, found by measuring.

The set falls into groups, which come ranked. As many of the first groups as needed are chosen, their number found by
doubling and halving. Then those that are not needed are left out again, part by part (Zeller and Hildebrandt,
Simplifying and isolating failure-inducing input, IEEE TSE 2002), until none of the rest can be.
"""

from dataclasses import dataclass
from typing import Callable, Dict, FrozenSet, Generic, List, Optional, Sequence, Tuple, TypeVar

from quant_accuracy.base.budget import Budget

Chosen = FrozenSet[str]
Group = Sequence[str]
Figures = TypeVar("Figures")


@dataclass(frozen=True)
class Measured(Generic[Figures]):
    """Figures, and whether they were measured now: what was kept says nothing of what the next ones cost."""

    figures: Figures
    now: bool


@dataclass(frozen=True)
class Trial(Generic[Figures]):
    """A measurement of a part of the set.

    Attributes:
        chosen: The part, in the order of the set.
        figures: What was measured.
        lacking: By how much they miss the goal; 0 or less where they meet it.
    """

    chosen: Tuple[str, ...]
    figures: Figures
    lacking: float

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.lacking <= 0


class OutOfTimeError(Exception):
    """There is no time for another measurement."""


class Trials(Generic[Figures]):
    """Measures parts of a set: each once, while there is time for as much as the last one took.

    Args:
        everything: The whole set, in its order.
        measure: Gives the figures of a part.
        lacking: By how much figures miss the goal; 0 or less where they meet it.
        cost: Seconds that a measurement takes, as far as is known.
        sure: That the whole set meets the goal is known, and not measured.
    """

    def __init__(self, everything: Sequence[str], measure: Callable[[Sequence[str]], Measured[Figures]],
                 lacking: Callable[[Figures], float], cost: float = 0.0, sure: bool = True) -> None:
        self.cost = cost
        self._order = {tensor: position for position, tensor in enumerate(everything)}
        self._measure, self._lacking, self._sure = measure, lacking, sure
        self._done: Dict[Chosen, Trial[Figures]] = {}

    def holds(self, chosen: Chosen, budget: Budget) -> bool:
        """Whether a part meets the goal.

        Raises:
            OutOfTimeError: That is not known, and the budget does not allow to measure it.
        """
        if self._sure and len(chosen) == len(self._order):
            return True
        if chosen not in self._done:
            if not budget.allows(self.cost):
                raise OutOfTimeError
            start = budget.clock()
            listed = tuple(sorted(chosen, key=self._order.__getitem__))
            measured = self._measure(listed)
            if measured.now:
                self.cost = budget.clock() - start
            self._done[chosen] = Trial(listed, measured.figures, self._lacking(measured.figures))
        return self._done[chosen].met

    def hopeless(self, chosen: Chosen) -> bool:
        """Whether the goal is missed by a larger part, which is all the more so by this one.

        Not always: noise can be worth more than its absence. Good enough for where to look first.
        """
        return any(not trial.met and chosen <= known for known, trial in self._done.items())

    def done(self) -> List[Trial[Figures]]:
        """All measurements, in their order."""
        return list(self._done.values())

    def best(self) -> Optional[Trial[Figures]]:
        """That of the smallest part that meets the goal, the first of several; None where none does."""
        good = [trial for trial in self._done.values() if trial.met]
        return min(good, key=lambda trial: len(trial.chosen)) if good else None

    def closest(self) -> Optional[Trial[Figures]]:
        """The one that comes closest to the goal, of several the smallest part; None before the first one."""
        done = self.done()
        return min(done, key=lambda trial: (trial.lacking, len(trial.chosen))) if done else None


def smallest(groups: Sequence[Group], trials: "Trials[Figures]", budget: Budget, most_parts: int = 0) -> List[Group]:
    """The groups of which none can be left out, as far as `most_parts` goes.

    Args:
        groups: The groups, those that are most likely to be needed first; all of them together meet the goal.
        trials: Measures, and knows what was measured.
        budget: How long.
        most_parts: Into about so many parts those that seem needed are divided at most, each of which is left out
            once; 0 has no limit: in the end each group is left out alone.

    Raises:
        OutOfTimeError: The budget is used up.
    """
    def holds(chosen: Chosen) -> bool:
        return trials.holds(chosen, budget)

    needed = list(range(_leading(groups, lambda chosen: not trials.hopeless(chosen) and holds(chosen))))
    size, finest = (len(needed) + 1) // 2, len(needed) // most_parts if most_parts else 0
    while size >= max(1, finest):
        backwards = needed[::-1]
        parts = [set(backwards[start:start + size]) for start in range(0, len(backwards), size)]
        for part in parts:
            rest = [index for index in needed if index not in part]
            if rest and holds(_union(groups, rest)):
                needed = rest
        size //= 2
    return [groups[index] for index in needed]


def _leading(groups: Sequence[Group], holds: Callable[[Chosen], bool]) -> int:
    """How many of the first meet the goal, as few as there are if more of them never do harm."""
    too_few, enough = 0, 1
    while enough < len(groups) and not holds(_union(groups, range(enough))):
        too_few, enough = enough, 2 * enough
    enough = min(enough, len(groups))
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if holds(_union(groups, range(middle))) else (middle, enough)
    return enough


def _union(groups: Sequence[Group], chosen: Sequence[int]) -> Chosen:
    return frozenset(tensor for index in chosen for tensor in groups[index])
