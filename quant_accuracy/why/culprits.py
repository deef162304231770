"""The search for culprits: from the coarse to the fine, so that whenever time runs out an answer of some use stands.

First kinds (weights, activations), then families (depthwise weights, activations of Relu6), then single quantizers of
the families that were found. Each step asks for the smallest part of what the step before has left. Families and
quantizers are tried in the order of the noise that they bring into the outputs, which is measured when it is needed.
Where quantizers have few bits, what was found is also given more of them instead of being switched off.
"""

from dataclasses import dataclass
from typing import Callable, Collection, Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from quant_accuracy.base import bisection
from quant_accuracy.base.bisection import Group, Measured, OutOfTimeError, Trials
from quant_accuracy.base.budget import Budget
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import families as family_kinds
from quant_accuracy.why.families import Family

# Shares of the time that is left.
_RANKING_FAMILIES, _RANKING = 1 / 4, 1 / 3
# What was still to be done when time ran out.
FAMILIES, QUANTIZERS, BITS = "families", "quantizers", "bits"


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


@dataclass(frozen=True)
class Culprits:
    """What was found.

    Attributes:
        best: The trial with the smallest set that meets the goal; None where none did.
        closest: The trial that came closest to it; None where nothing was measured.
        smallest: None of the best set can be switched on again: time did not run out before that was known.
        trials: All measurements with quantizers off, in their order.
        raised: All measurements with more bits, in their order.
        cut: What time ran out for; nothing where the search ended by itself.
    """

    best: Optional[Trial]
    closest: Optional[Trial]
    smallest: bool
    trials: Sequence[Trial]
    raised: Sequence[Trial]
    cut: Sequence[str]


@dataclass(frozen=True)
class Ways:
    """How things are measured.

    Attributes:
        without: Gives the figures without the quantizers on some tensors.
        raised: Gives the figures with more bits for the first tensors, and without quantizers on the second ones; None
            where bits cannot be changed.
        lacking: By how much AP figures miss the goal; 0 or less where they meet it.
        blame: Gives how much harm each family does, by name, within a budget.
        rank: Gives the tensors of all quantizers, most harmful first, within a budget.
        ranking_cost: Gives how many seconds `rank` takes at least, as far as is known.
        cost: Seconds that a measurement takes, as far as is known.
    """

    without: Callable[[Sequence[str]], Measured[Metrics]]
    raised: Optional[Callable[[Sequence[str], Sequence[str]], Metrics]]
    lacking: Callable[[Metrics], float]
    blame: Callable[[Budget], Mapping[str, float]]
    rank: Callable[[Budget], Sequence[str]]
    ranking_cost: Callable[[], float]
    cost: float = 0.0


def find(families: Sequence[Family], low: Collection[str], ways: Ways, budget: Budget) -> Culprits:
    """Find a smallest set of quantizers without which the goal is met.

    Ranking families gets a quarter of the time that is left when their kinds are known, ranking quantizers a third of
    the rest: more than half of the whole is left for measurements.

    Args:
        families: All quantizers that are on; the kind of the first family is tried first.
        low: Tensors whose quantizers may be given more bits.
        ways: How things are measured.
        budget: When it is used up no measurement is begun, except that quantizers are ranked once in any case, and
            families where there is nothing else to tell of them.
    """
    return _Search(families, low, ways, budget).run()


class _Search:
    def __init__(self, families: Sequence[Family], low: Collection[str], ways: Ways, budget: Budget) -> None:
        self._families, self._low, self._ways, self._budget = families, set(low), ways, budget
        self._blame: Mapping[str, float] = {}
        self._everything = [tensor for family in families for tensor in family.tensors]
        self._trials = Trials(self._everything, ways.without, ways.lacking, ways.cost)
        self._raised: Dict[FrozenSet[str], Trial] = {}
        self._raising_cost = 0.0
        self._cut: Set[str] = set()

    def run(self) -> Culprits:
        families = self._chosen(self._coarse)
        if not self._trials.done():
            # No measurement fits: noise is the next best to tell which family it is.
            self._rank_families()
        ranked = self._ways.rank(self._budget.part(_RANKING))
        if families is None:
            families = self._chosen(lambda: self._budget)
        single = None
        if families is not None:
            chosen = _tensors(families)
            single = self._part([[tensor] for tensor in ranked if tensor in chosen], self._budget, QUANTIZERS)
        if single is not None:
            self._raise({tensor for group in single for tensor in group}, self._budget)
        best, closest = self._trials.best(), self._trials.closest()
        return Culprits(None if best is None else _without(best), None if closest is None else _without(closest),
                        single is not None and best is not None, list(map(_without, self._trials.done())),
                        list(self._raised.values()), sorted(self._cut))

    def _coarse(self) -> Budget:
        """What may be used before ranking, which wants some of its time."""
        return self._budget.keeping(min(self._ways.ranking_cost(), _RANKING * max(0.0, self._budget.left())))

    def _chosen(self, budget: Callable[[], Budget]) -> Optional[List[Family]]:
        """The families that are needed; None where time ran out. They and their kinds are also given more bits."""
        self._cut -= {FAMILIES, BITS}
        kinds = self._needed(family_kinds.kinds(self._families), self._budget)
        if kinds is None:
            return None
        # All that has few bits where that is not enough.
        any(self._raise(tensors, budget()) for tensors in (_tensors(kinds), self._low))
        families = [family for family in self._families if family.kind in {kind.name for kind in kinds}]
        if len(families) > 1 and not self._budget.allows(self._trials.cost):
            # Nor is there time to find out which of them to try first.
            self._cut.add(FAMILIES)
            return None
        if len(families) > 1:
            self._rank_families()
        found = self._needed(sorted(families, key=lambda family: (-self._blame.get(family.name, 0.0), family.name)),
                             budget())
        if found is not None:
            self._raise(_tensors(found), budget())
        return found

    def _rank_families(self) -> None:
        if not self._blame:
            self._blame = self._ways.blame(self._budget.part(_RANKING_FAMILIES))

    def _needed(self, families: Sequence[Family], budget: Budget) -> Optional[List[Family]]:
        found = self._part([family.tensors for family in families], budget, FAMILIES)
        return None if found is None else [family for family in families if family.tensors in found]

    def _part(self, groups: Sequence[Group], budget: Budget, what: str) -> Optional[List[Group]]:
        try:
            return bisection.smallest(groups, self._trials, budget)
        except OutOfTimeError:
            self._cut.add(what)
            return None

    def _raise(self, tensors: Collection[str], budget: Budget) -> bool:
        """Whether nothing is left to be tried: the goal is met, or time ran out, or no bits can be changed."""
        chosen = [tensor for tensor in self._everything if tensor in tensors]
        low, off = [[tensor for tensor in chosen if (tensor in self._low) == wanted] for wanted in (True, False)]
        if self._ways.raised is None or not low:
            return True
        if frozenset(chosen) not in self._raised:
            if not budget.allows(max(self._raising_cost, self._trials.cost)):
                self._cut.add(BITS)
                return True
            start = budget.clock()
            metrics = self._ways.raised(low, off)
            self._raising_cost = budget.clock() - start
            self._raised[frozenset(chosen)] = Trial(tuple(off), metrics, self._ways.lacking(metrics), tuple(low))
        return self._raised[frozenset(chosen)].met


def _without(trial: "bisection.Trial[Metrics]") -> Trial:
    return Trial(trial.chosen, trial.figures, trial.lacking)


def _tensors(families: Sequence[Family]) -> FrozenSet[str]:
    return frozenset(tensor for family in families for tensor in family.tensors)
