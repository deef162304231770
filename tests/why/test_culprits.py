"""The search for the smallest set of quantizers that meets a goal, within a time."""

import itertools
import subprocess
import sys
from typing import Callable, Collection, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import pytest

from quant_accuracy.base.bisection import Measured
from quant_accuracy.base.budget import Budget
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import culprits
from quant_accuracy.why import families as family_kinds
from quant_accuracy.why.culprits import Culprits, Ways
from quant_accuracy.why.families import Family
from tests.support.families import RANKED, SIX, families_of
from tests.support.places import ROOT


def _metrics(mean_ap: Optional[float], **classes: Optional[float]) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


class _Clock:
    """A time that goes on only when something is measured."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class _Search(NamedTuple):
    """A search and what it asked for, in order: sets that were off, and `rank`."""

    found: Culprits
    asked: List[FrozenSet[str]]
    clock: _Clock
    steps: List[str]


_ONE = families_of(("weights", "weights", 40))


def _search(value: Callable[[FrozenSet[str]], float], families: Sequence[Family] = tuple(_ONE),
            blame: Optional[Dict[str, float]] = None, ranked: Sequence[str] = tuple(RANKED), seconds: float = 1e9,
            low: Sequence[str] = (), raised: Optional[Callable[[FrozenSet[str]], float]] = None,
            known: float = 0.0, kept: int = 0, ranking: float = 0.0, ranked_in: float = 20.0) -> _Search:
    """Search where the mAP without a set is a function of the set, and 0.5 is wanted.

    Measuring takes 10 seconds, with more bits 14, ranking 20, ranking of families 5; the first `kept` sets were
    measured before. Families harm in their order, unless `blame` says something else.
    """
    clock, asked, steps = _Clock(), [], []

    def without(off: Sequence[str]) -> "Measured[Metrics]":
        asked.append(frozenset(off))
        steps.append(f"without {len(off)}")
        now = len(asked) > kept
        clock.now += 10.0 if now else 0.1
        return Measured(_metrics(value(frozenset(off))), now)

    def with_bits(tensors: Sequence[str], off: Sequence[str]) -> Metrics:
        assert raised is not None
        steps.append(f"raised {len(tensors)}, off {len(off)}")
        clock.now += 14.0
        return _metrics(raised(frozenset([*tensors, *off])))

    def blamed(budget: Budget) -> Mapping[str, float]:
        steps.append(f"blame {budget.left():g}")
        clock.now += 5.0
        return {**{family.name: 1.0 / place for place, family in enumerate(families, start=1)}, **(blame or {})}

    def rank(budget: Budget) -> Sequence[str]:
        steps.append(f"rank {budget.left():g}")
        clock.now += ranked_in
        return ranked

    ways = Ways(without, None if raised is None else with_bits, lambda metrics: 0.5 - (metrics.figures["mAP"] or 0.0),
                blamed, rank, lambda: ranking, known)
    found = culprits.find(families, low, ways, Budget(seconds, clock))
    # No set is measured twice, and what is kept is what was measured.
    assert len(set(asked)) == len(asked) == len(found.trials)
    assert [frozenset(trial.off) for trial in found.trials] == asked
    assert all(trial.met == (value(frozenset(trial.off)) >= 0.5) for trial in found.trials)
    return _Search(found, asked, clock, steps)


def _good(rule: Callable[[FrozenSet[str]], bool]) -> Callable[[FrozenSet[str]], float]:
    return lambda off: float(rule(off))


def _off(found: Culprits) -> Collection[str]:
    assert found.best is not None
    return found.best.off


@pytest.mark.parametrize("place", [0, 1, 2, 3, 6, 17, 39])
def test_a_single_culprit_is_found_wherever_it_is_ranked(place: int) -> None:
    found = _search(_good(lambda off: f"t{place}" in off)).found

    assert _off(found) == (f"t{place}",)
    assert found.smallest
    assert found.cut == []


def test_a_culprit_that_ranks_first_takes_a_measurement_for_its_kind_its_family_and_itself() -> None:
    done = _search(_good(lambda off: "t0" in off), SIX)

    assert _off(done.found) == ("t0",)
    assert list(map(len, done.asked)) == [20, 6, 1]


def test_the_family_that_is_to_blame_most_is_tried_first() -> None:
    done = _search(_good(lambda off: "t16" in off), SIX, blame={"dense weights": 9.0}, ranked=RANKED[16:])

    assert _off(done.found) == ("t16",)
    assert list(map(len, done.asked)) == [20, 4, 1]


def test_culprits_that_have_to_go_together_are_found_together() -> None:
    found = _search(_good(lambda off: {"t2", "t31"} <= off)).found

    assert _off(found) == ("t2", "t31")
    assert found.smallest


def test_culprits_of_two_families_are_found_together_without_the_other_families() -> None:
    done = _search(_good(lambda off: {"t3", "t20", "t24"} <= off), SIX)

    assert set(_off(done.found)) == {"t3", "t20", "t24"}
    assert done.found.smallest
    after = done.steps.index(next(step for step in done.steps if step.startswith("rank")))
    # Once the families are known, no other quantizer is looked at, and first of all some of both: one is known to be
    # too little.
    assert all(off <= set(SIX[0].tensors + SIX[3].tensors) for off in done.asked[after:])
    assert all(done.asked[after] & set(SIX[place].tensors) for place in (0, 3))


@pytest.mark.parametrize("family", range(6))
def test_a_family_that_is_too_coarse_as_a_whole_is_named_and_all_of_it_has_to_go(family: int) -> None:
    """What few bits for everything of one kind look like: no single culprit, only the family as a whole."""
    tensors = set(SIX[family].tensors)
    done = _search(_good(lambda off: tensors <= off), SIX)

    assert set(_off(done.found)) == tensors
    assert done.found.smallest
    assert family_kinds.describe(_off(done.found), SIX) == SIX[family].name


def test_many_small_culprits_are_looked_for_in_the_family_that_they_are_of() -> None:
    family = SIX[3]
    found = _search(_good(lambda off: len(off & set(family.tensors)) >= 8), SIX).found

    assert len(_off(found)) == 8
    assert set(_off(found)) <= set(family.tensors)
    assert family_kinds.describe(_off(found), SIX) == "8 of 12 activations of Relu6"
    assert found.smallest


def test_where_no_family_suffices_all_quantizers_are_looked_at() -> None:
    found = _search(_good(lambda off: len(off) >= 30), SIX).found

    assert len(_off(found)) == 30


@pytest.mark.parametrize("seed", range(40))
def test_none_of_the_found_set_can_be_switched_on_again_and_brute_force_knows_none_within_it(seed: int) -> None:
    random = np.random.RandomState(seed)
    families = families_of(("a", "weights", 2), ("b", "weights", 3), ("c", "activations", 2), ("d", "activations", 1))
    names = RANKED[:8]
    harm: Dict[str, float] = dict(zip(names, random.exponential(size=8)))
    needed = random.uniform(0.2, 0.95) * sum(harm.values())

    def value(off: FrozenSet[str]) -> float:
        return float(0.5 + sum(harm[tensor] for tensor in off) - needed)

    ranked = sorted(names, key=lambda name: -harm[name]) if seed % 2 else names
    found = _search(value, families, ranked=ranked).found
    off = set(_off(found)) if found.best else set(names)

    assert value(frozenset(off)) >= 0.5 or len(off) == 8
    assert not [part for size in range(len(off)) for part in itertools.combinations(sorted(off), size)
                if value(frozenset(part)) >= 0.5]
    if found.best is None:
        assert found.closest is not None
        assert found.closest.lacking == min(trial.lacking for trial in found.trials) > 0


@pytest.mark.parametrize("seed", range(10))
def test_where_more_quantizers_off_may_do_harm_the_answer_is_measured_all_the_same(seed: int) -> None:
    """Noise of one quantizer can undo that of another: nothing may be concluded instead of measured."""
    random = np.random.RandomState(seed)
    table = {frozenset(off): float(random.uniform()) for size in range(9)
             for off in itertools.combinations(RANKED[:8], size)}
    families = families_of(("a", "weights", 2), ("b", "weights", 3), ("c", "activations", 2), ("d", "activations", 1))
    found = _search(table.__getitem__, families).found

    if found.best is not None:
        assert table[frozenset(found.best.off)] >= 0.5
    if found.smallest:
        # All of the set but one is what was tried last.
        off = frozenset(_off(found))
        assert all(table[off - {tensor}] < 0.5 for tensor in off if len(off) > 1)


_HARD = _good(lambda off: len(off & set(RANKED[:16])) >= 14)


@pytest.mark.parametrize("seconds", range(0, 400, 7))
def test_whenever_time_runs_out_the_best_so_far_is_the_answer_and_nothing_is_begun_that_does_not_fit(
        seconds: int) -> None:
    whole = _search(_HARD, SIX)
    done = _search(_HARD, SIX, seconds=seconds, known=10.0, ranking=20.0)

    assert done.asked == whole.asked[:len(done.asked)]
    # Ranking is asked for once in any case.
    assert done.clock.now <= max(seconds, 5.0) + 20.0
    assert sum(step.startswith("rank") for step in done.steps) == 1
    if seconds >= 10:
        assert done.found.best is not None
    assert bool(done.found.cut) == (not done.found.smallest) == (len(done.asked) < len(whole.asked))
    if done.found.best is not None:
        assert len(done.found.best.off) == min(len(trial.off) for trial in done.found.trials if trial.met)


def test_more_than_half_of_the_time_is_left_for_measurements() -> None:
    done = _search(_good(lambda off: "t0" in off), SIX, seconds=110.0)

    assert done.steps == ["without 20", "blame 25", "without 6", "rank 28.3333", "without 1"]


def test_what_tells_kinds_apart_is_measured_before_anything_is_ranked() -> None:
    done = _search(_good(lambda off: {"t0", "t20"} <= off), SIX, seconds=40.0)

    assert done.steps[:3] == ["without 20", "without 20", "blame 5"]


def test_families_are_not_ranked_when_there_is_no_time_to_measure_one() -> None:
    done = _search(_good(lambda off: {"t0", "t20"} <= off), SIX, seconds=25.0)

    assert done.steps == ["without 20", "without 20", "rank 1.66667"]
    assert done.found.cut == [culprits.FAMILIES]


def test_what_was_kept_from_before_says_nothing_of_what_the_next_measurement_takes() -> None:
    done = _search(_HARD, SIX, seconds=50.0, kept=3)

    # Three that are kept and ranking take 25.3 seconds; two more fit, the third would not.
    assert len(done.asked) == 5
    assert done.clock.now <= 50.0


def test_a_search_goes_on_where_one_with_a_smaller_budget_stopped() -> None:
    first = _search(_HARD, SIX, seconds=100.0)
    second = _search(_HARD, SIX, seconds=100.0, kept=len(first.asked))
    whole = _search(_HARD, SIX)

    assert len(first.asked) < len(second.asked) <= len(whole.asked)
    assert second.asked[:len(first.asked)] == first.asked


def test_what_the_time_for_ranking_has_left_is_for_the_families() -> None:
    """The time that was set aside for ranking was more than it took: its rest is not lost."""
    done = _search(_good(lambda off: {"t0", "t6", "t16"} <= off), SIX, seconds=65.0, known=10.0, ranking=90.0,
                   ranked_in=2.0)

    assert done.steps == ["without 20", "blame 13.75", "without 6", "without 16", "without 14", "rank 6.66667",
                          "without 10"]


def test_without_time_for_any_measurement_nothing_is_claimed() -> None:
    done = _search(_HARD, SIX, seconds=15.0, known=20.0)
    found = done.found

    # Noise is all that there is to tell of families.
    assert done.steps == ["blame 3.75", "rank 3.33333"]
    assert (found.best, found.closest, found.smallest, list(found.trials)) == (None, None, False, [])
    assert found.cut == [culprits.FAMILIES]


def test_what_has_few_bits_is_given_more_of_them() -> None:
    low = [tensor for family in SIX[:3] for tensor in family.tensors]
    done = _search(_good(lambda off: set(SIX[0].tensors[:3]) <= off), SIX, low=low,
                   raised=_good(lambda raised: set(SIX[0].tensors[:3]) <= raised))

    assert set(_off(done.found)) == set(SIX[0].tensors[:3])
    assert [(set(item.raised), item.off, item.met) for item in done.found.raised] == [
        (set(low), (), True), (set(SIX[0].tensors), (), True), (set(SIX[0].tensors[:3]), (), True)]


def test_where_more_bits_for_a_kind_are_not_enough_all_that_have_few_bits_get_them() -> None:
    low = RANKED[:38]
    done = _search(_good(lambda off: "t0" in off), SIX, low=low, raised=lambda raised: len(raised) / 60.0)

    assert [len(item.raised) for item in done.found.raised] == [20, 38, 6, 1]
    assert [item.met for item in done.found.raised] == [False, True, False, False]


def test_what_has_its_bits_already_is_off_while_others_get_more() -> None:
    done = _search(_good(lambda off: {"t0", "t17"} <= off), SIX, low=SIX[0].tensors,
                   raised=_good(lambda raised: {"t0", "t17"} <= raised))

    last = done.found.raised[-1]
    assert (last.raised, last.off, last.met) == (("t0",), ("t17",), True)


def test_where_time_runs_out_before_more_bits_the_search_goes_on_without() -> None:
    done = _search(_good(lambda off: "t0" in off), SIX, seconds=23.0, low=RANKED, known=10.0, ranking=8.0,
                   raised=_good(lambda raised: True))

    assert culprits.BITS in done.found.cut
    assert done.found.raised == []
    assert list(map(len, done.asked)) == [20]


def test_culprits_are_searched_without_tensorflow() -> None:
    script = "import sys; from quant_accuracy.why import culprits, goal; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=str(ROOT)).returncode == 0
