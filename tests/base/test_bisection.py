"""The smallest set of groups without which a goal is met, and the measurements that it takes."""

import itertools
from typing import Callable, FrozenSet, List, Sequence, Tuple

import pytest

from quant_accuracy.base import bisection
from quant_accuracy.base.bisection import Measured, OutOfTimeError, Trials
from quant_accuracy.base.budget import Budget

_ALL = [f"t{number}" for number in range(12)]
Chosen = FrozenSet[str]


def _trials(gain: Callable[[Chosen], float], seconds: float = 10.0,
            sure: bool = True) -> Tuple["Trials[float]", List[Chosen], Budget]:
    """Measurements that take so many seconds each, of figures of which 0.5 is wanted; a budget of 1000 seconds."""
    now, asked = [0.0], []

    def measure(chosen: Sequence[str]) -> "Measured[float]":
        asked.append(frozenset(chosen))
        now[0] += seconds
        return Measured(gain(frozenset(chosen)), True)

    trials = Trials(_ALL, measure, lambda figure: 0.5 - figure, sure=sure)
    return trials, asked, Budget(1000.0, lambda: now[0])


def test_each_set_is_measured_once_and_that_of_everything_never() -> None:
    trials, asked, budget = _trials(lambda chosen: len(chosen) / 4)

    assert trials.holds(frozenset(_ALL), budget)
    assert [trials.holds(frozenset(["t1", "t0"]), budget), trials.holds(frozenset(["t0", "t1"]), budget)] == [True] * 2
    assert not trials.holds(frozenset(["t0"]), budget)
    assert asked == [{"t0", "t1"}, {"t0"}]
    assert [(trial.chosen, trial.met) for trial in trials.done()] == [(("t0", "t1"), True), (("t0",), False)]


def test_the_best_is_the_smallest_that_meets_and_the_closest_the_one_that_lacks_least() -> None:
    trials, _, budget = _trials(lambda chosen: len(chosen) / 8)
    assert trials.best() is None
    assert trials.closest() is None

    for count in (6, 4, 3, 5):
        trials.holds(frozenset(_ALL[:count]), budget)

    best, closest = trials.best(), trials.closest()
    assert best is not None
    assert closest is not None
    assert (len(best.chosen), len(closest.chosen)) == (4, 6)


def test_nothing_is_begun_that_takes_longer_than_there_is_time() -> None:
    trials, asked, _ = _trials(lambda chosen: 0.0)
    budget = Budget(15.0, lambda: 10.0 * len(asked))

    trials.holds(frozenset(["t0"]), budget)

    with pytest.raises(OutOfTimeError):
        trials.holds(frozenset(["t1"]), budget)
    # What is known costs nothing.
    assert not trials.holds(frozenset(["t0"]), budget)
    assert asked == [{"t0"}]


@pytest.mark.parametrize("wanted", itertools.combinations(range(6), 2))
def test_of_groups_exactly_those_that_are_needed_are_left(wanted: Tuple[int, ...]) -> None:
    groups = [_ALL[2 * index:2 * index + 2] for index in range(6)]
    needed = frozenset(tensor for index in wanted for tensor in groups[index])
    trials, _, budget = _trials(lambda chosen: float(needed <= chosen))

    assert bisection.smallest(groups, trials, budget) == [groups[index] for index in wanted]


def test_a_single_group_that_ranks_first_takes_one_measurement() -> None:
    trials, asked, budget = _trials(lambda chosen: float("t0" in chosen))

    assert bisection.smallest([[tensor] for tensor in _ALL], trials, budget) == [["t0"]]
    assert asked == [{"t0"}]


def test_that_everything_meets_the_goal_is_measured_where_it_is_not_sure() -> None:
    trials, asked, budget = _trials(lambda chosen: 0.0, sure=False)

    assert not trials.holds(frozenset(_ALL), budget)
    assert asked == [set(_ALL)]
