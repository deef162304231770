"""The bootstrap's intervals on made-up detections whose true difference is known: `benchmarks/coverage.py` in small."""

from typing import List

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import Estimates, Population, Trial
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.matching import RIGHT, Matches

_IMAGES, _TRIALS, _RESAMPLES, _SEED = 100, 60, 150, 0
# What an interval that covers 95 % covers in 60 trials, give or take three standard deviations, but not all of them.
_COVERED = (0.865, 0.995)
# Mean width over the width that 95 % of normal figures take, give or take three standard deviations.
_RELATIVE_WIDTH = (0.72, 1.28)


@pytest.fixture(scope="module")
def truth() -> Population:
    return coverage.population(sets=2, images=25_000)


@pytest.fixture(scope="module")
def trials() -> List[Trial]:
    return [coverage.trial(_IMAGES, _SEED, number, _RESAMPLES) for number in range(_TRIALS)]


def _honest(found: Estimates) -> List[bool]:
    """Whether the coverage, and whether the width is that of a 95 % interval."""
    return [_COVERED[0] <= found.covered <= _COVERED[1],
            _RELATIVE_WIDTH[0] <= found.relative_width <= _RELATIVE_WIDTH[1]]


def test_the_difference_of_the_population_is_known_far_better_than_a_trial_measures_it(
        truth: Population, trials: List[Trial]) -> None:
    found = coverage.judge(trials, _IMAGES, truth)

    assert 0.01 < truth.difference < 0.03
    assert truth.difference_error < 0.05 * found.paired.width


def test_intervals_of_the_paired_bootstrap_cover_the_known_difference(truth: Population, trials: List[Trial]) -> None:
    assert _honest(coverage.judge(trials, _IMAGES, truth).paired) == [True, True]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_intervals_of_half_or_twice_the_width_would_be_noticed(truth: Population, trials: List[Trial],
                                                               factor: float) -> None:
    wrong = [Interval(*(np.mean(one.paired) + factor * (np.array(one.paired) - np.mean(one.paired))))
             for one in trials]

    assert _honest(coverage.estimates(wrong, [one.difference for one in trials], truth.difference)) == [False, False]


def test_unpaired_intervals_are_much_wider_and_would_be_noticed(truth: Population, trials: List[Trial]) -> None:
    found = coverage.judge(trials, _IMAGES, truth)

    assert found.unpaired.width > 3 * found.paired.width
    assert _honest(found.unpaired) == [False, False]


def test_the_float_variant_differs_from_itself_by_exactly_zero_in_every_trial(truth: Population,
                                                                              trials: List[Trial]) -> None:
    assert coverage.judge(trials, _IMAGES, truth).zeros == 1.0


def test_a_trial_is_the_same_every_time() -> None:
    assert coverage.trial(20, 3, 1, 10) == coverage.trial(20, 3, 1, 10)
    assert coverage.trial(20, 3, 1, 10) != coverage.trial(20, 3, 2, 10)


@pytest.mark.parametrize("variant", [0, 1])
def test_made_up_matches_are_in_the_order_that_matching_gives_them(variant: int) -> None:
    matches: Matches = coverage.draw_pair(np.random.RandomState(0), 50)[variant]

    rows = list(zip(matches.categories, matches.images, matches.ranks))
    assert rows == sorted(set(rows))
    within = matches.ranks[1:] > 0
    assert (np.diff(matches.scores)[within] <= 0).all()
    found = np.zeros(matches.positives.shape[:2], np.int64)
    np.add.at(found, (matches.images, matches.categories), matches.outcomes[:, 0, 0] == RIGHT)
    assert (found <= matches.positives[:, :, 0]).all()
