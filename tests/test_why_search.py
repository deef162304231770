"""Finding culprits: what a failed gate asks for, and the search for the smallest set that meets it."""

import itertools
import subprocess
import sys
from typing import Callable, Collection, Dict, FrozenSet, List, Optional, Sequence

import numpy as np
import pytest

from quant_accuracy import options
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Verdict
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import bisection, goal
from quant_accuracy.why.bisection import Found

_RANKED = [f"t{number}" for number in range(40)]


def _metrics(mean_ap: Optional[float], **classes: Optional[float]) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


def _search(good: Callable[[FrozenSet[str]], bool], ranked: Sequence[str] = tuple(_RANKED),
            families: Sequence[Sequence[str]] = (), trials: int = 1000) -> Found:
    """Search where a set is good by a rule; figures say no more than that."""
    asked: List[FrozenSet[str]] = []

    def measure(off: Sequence[str]) -> Metrics:
        asked.append(frozenset(off))
        return _metrics(float(good(frozenset(off))))

    found = bisection.search(ranked, families, measure, lambda metrics: metrics.figures["mAP"] == 1.0,
                             lambda: len(asked) < trials)
    # No set is measured twice, and what is kept is what was measured.
    assert len(set(asked)) == len(asked) == len(found.trials)
    assert [frozenset(trial.off) for trial in found.trials] == asked
    return found


def _off(found: Found) -> Collection[str]:
    assert found.best is not None
    return found.best.off


@pytest.mark.parametrize("place", [0, 1, 2, 3, 6, 17, 39])
def test_a_single_culprit_is_found_wherever_it_is_ranked(place: int) -> None:
    found = _search(lambda off: f"t{place}" in off)

    assert _off(found) == (f"t{place}",)
    assert found.smallest


def test_a_culprit_that_ranks_first_takes_one_measurement() -> None:
    assert len(_search(lambda off: "t0" in off).trials) == 1


def test_culprits_that_have_to_go_together_are_found_together() -> None:
    found = _search(lambda off: {"t2", "t31"} <= off)

    assert _off(found) == ("t2", "t31")
    assert found.smallest


def test_many_small_culprits_are_looked_for_in_the_family_that_they_are_of() -> None:
    family = _RANKED[1::2]

    found = _search(lambda off: len(off & set(family)) >= 12, families=[_RANKED[::2], family])

    assert len(_off(found)) == 12
    assert set(_off(found)) <= set(family)
    assert found.smallest


def test_where_no_family_suffices_all_quantizers_are_looked_at() -> None:
    found = _search(lambda off: len(off) >= 30, families=[_RANKED[::2], _RANKED[1::2]])

    assert len(_off(found)) == 30


@pytest.mark.parametrize("seed", range(30))
def test_none_of_the_found_set_can_be_switched_on_again_and_brute_force_knows_none_within_it(seed: int) -> None:
    random = np.random.RandomState(seed)
    ranked = [f"t{number}" for number in range(7)]
    weights: Dict[str, float] = dict(zip(ranked, random.exponential(size=7)))
    needed = random.uniform(0.2, 0.95) * sum(weights.values())

    def good(off: FrozenSet[str]) -> bool:
        return bool(sum(weights[tensor] for tensor in off) >= needed)

    found = _search(good, ranked)
    off = set(_off(found)) if found.best else set(ranked)

    assert good(frozenset(off))
    assert not [part for size in range(len(off)) for part in itertools.combinations(sorted(off), size)
                if good(frozenset(part))]


def test_time_that_runs_out_leaves_the_best_set_so_far() -> None:
    found = _search(lambda off: "t17" in off, trials=5)
    more = _search(lambda off: "t17" in off, trials=7)

    assert (found.best, found.smallest, len(found.trials)) == (None, False, 5)
    assert more.best is not None
    assert "t17" in more.best.off
    assert not more.smallest


def _verdict(gate: str, value: Optional[float], lower: Optional[float] = None, upper: Optional[float] = None,
             outcome: str = FAIL) -> Verdict:
    return Verdict(gate, value, lower, upper, outcome, "")


@pytest.mark.parametrize(("verdicts", "needed", "class_drop"), [
    ([_verdict("mAP_floor", 0.5, lower=0.55)], 0.55, None),
    ([_verdict("mAP_drop", 0.1, upper=0.02)], 0.58, None),
    ([_verdict("mAP_ratio", 0.5 / 0.6, lower=0.99)], 0.594, None),
    ([_verdict("mAP_drop", 0.1, upper=0.02), _verdict("mAP_ratio", 0.8, lower=0.99)], 0.594, None),
    ([_verdict("class_AP_drop", 0.1, upper=0.05)], None, 0.05),
    ([_verdict("mAP_baseline", 0.5, 0.586, 0.593)], 0.586, None),
    # On a part of the shards a baseline compares means over shards.
    ([_verdict("mAP_baseline", 0.52, 0.586, 0.593)], 0.566, None),
    # The stricter gates beside one that leaves room.
    ([_verdict("mAP_baseline", 0.5, 0.586, 0.593), _verdict("mAP_drop", 0.1, upper=0.02)], 0.58, None),
])
def test_the_goal_is_what_the_failed_gates_ask_for(verdicts: List[Verdict], needed: Optional[float],
                                                   class_drop: Optional[float]) -> None:
    found = goal.of_verdicts(verdicts, _metrics(0.6), _metrics(0.5))

    assert found is not None
    assert found.mean_ap == (None if needed is None else pytest.approx(needed))
    assert found.class_drop == class_drop


@pytest.mark.parametrize("verdict", [
    _verdict("mAP_drop", 0.01, upper=0.02, outcome=PASS),
    _verdict("mAP_drop", 0.03, upper=0.02, outcome=INCONCLUSIVE),
    _verdict("float_mAP_floor", 0.5, lower=0.55),
    _verdict("float_mAP_baseline", 0.5, 0.586, 0.593),
    # A gain, and no baseline: nothing that a quantizer could be to blame for.
    _verdict("mAP_baseline", 0.61, 0.586, 0.593),
    _verdict("mAP_baseline", 0.5),
    _verdict("encodings_drift", 0.5, upper=0.01),
])
def test_without_a_loss_of_quantized_ap_there_is_no_goal(verdict: Verdict) -> None:
    assert goal.of_verdicts([verdict], _metrics(0.6), _metrics(0.5)) is None


def test_a_goal_on_classes_is_met_when_every_class_keeps_to_it() -> None:
    before = _metrics(0.6, cat=0.5, dog=0.7, emu=None)
    found = goal.of_verdicts([_verdict("class_AP_drop", 0.2, upper=0.05)], before, _metrics(0.5, cat=0.3, dog=0.69))

    assert found is not None
    assert found.met(_metrics(0.5, cat=0.46, dog=0.66, emu=None))
    assert not found.met(_metrics(0.7, cat=0.44, dog=0.9, emu=None))
    assert str(found) == "AP drop of each class at most 0.05"


def test_culprits_are_searched_without_tensorflow() -> None:
    script = "import sys; from quant_accuracy.why import bisection, goal; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=str(options.ROOT)).returncode == 0
