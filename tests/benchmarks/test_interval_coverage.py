"""Intervals on made-up data sets whose truth is known: `benchmarks/interval_coverage.py` in small."""

from typing import List

import numpy as np
import pytest

from benchmarks import interval_coverage, population
from benchmarks.interval_coverage import DROP, FLOAT, PLAIN, QUANTIZED, RATIO, Trial
from quant_accuracy.judging.verdicts import FAIL
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.matching import RIGHT
from quant_accuracy.settings.gates import CLASS_DROP

pytestmark = pytest.mark.one_lane

_IMAGES, _TRIALS, _RESAMPLES, _DATA_SET = 120, 40, 80, 2000


def _trials(damage: str) -> List[Trial]:
    truth = interval_coverage.data_set(0, damage, _DATA_SET)
    return [interval_coverage.trial(truth, _IMAGES, seed, _RESAMPLES) for seed in range(_TRIALS)]


@pytest.fixture(scope="module")
def damaged() -> List[Trial]:
    return _trials(population.RARE)


@pytest.fixture(scope="module")
def healthy() -> List[Trial]:
    return _trials(population.NONE)


@pytest.mark.parametrize("name", [DROP, RATIO, FLOAT, QUANTIZED])
def test_intervals_cover_the_whole_data_set_when_rare_classes_suffer(damaged: List[Trial], name: str) -> None:
    found = interval_coverage.of_figure(damaged, name)

    # What covers 95 % covers so many of 40, give or take three standard deviations.
    assert found.covered >= 0.84


def test_plain_percentiles_would_be_noticed(damaged: List[Trial]) -> None:
    assert interval_coverage.of_figure(damaged, PLAIN).covered < 0.7


@pytest.mark.parametrize("gate", interval_coverage.LIMITS)
def test_no_part_of_a_healthy_model_fails(healthy: List[Trial], gate: str) -> None:
    assert [one.outcomes[gate] for one in healthy if one.outcomes[gate] == FAIL] == []


def test_a_healthy_model_would_fail_by_what_single_classes_measure(healthy: List[Trial]) -> None:
    limit = interval_coverage.LIMITS[CLASS_DROP]

    assert np.mean([any(one.truth <= limit < one.plain.low for one in trial.classes) for trial in healthy]) > 0.8


def test_the_interval_of_a_class_in_few_images_covers_it(healthy: List[Trial]) -> None:
    classes = [one for trial in healthy for one in trial.classes if 6 <= one.images <= 11 and one.alone is not None]

    covered = np.mean([one.alone is not None and one.alone.low <= one.truth <= one.alone.high for one in classes])

    assert len(classes) > 100
    assert covered >= 0.9


@pytest.mark.parametrize("factor", [0.4, 10.0])
def test_much_narrower_and_shifted_intervals_would_be_noticed(damaged: List[Trial], factor: float) -> None:
    wrong = []
    for one in damaged:
        interval = one.intervals[DROP]
        assert interval is not None
        middle, half = np.mean(interval), (interval.high - interval.low) / 2
        wrong.append(Interval(middle - factor * half, middle + factor * half) if factor < 1
                     else Interval(interval.low + factor * half, interval.high + factor * half))

    found = interval_coverage.estimate(wrong, [one.values[DROP] for one in damaged],
                                       [one.truths[DROP] for one in damaged])

    assert found.covered < 0.84


def test_a_trial_is_the_same_every_time() -> None:
    truth = interval_coverage.data_set(0, population.NONE, _DATA_SET)

    assert interval_coverage.trial(truth, 20, 1, 10) == interval_coverage.trial(truth, 20, 1, 10)
    assert interval_coverage.trial(truth, 20, 1, 10) != interval_coverage.trial(truth, 20, 2, 10)


def test_the_population_is_like_coco() -> None:
    shown = interval_coverage.data_set(0, population.NONE, _DATA_SET).images / _DATA_SET

    assert len(shown) == 80
    assert shown.max() > 0.4
    assert 0 < np.sort(shown)[:10].mean() < 0.01
    assert 1.5 < shown.sum() < 4


@pytest.mark.parametrize("variant", [0, 1])
def test_made_up_matches_are_in_the_order_that_matching_gives_them(variant: int) -> None:
    pair = population.draw(np.random.RandomState(0), 50)
    for matches in (pair[variant], pair.part(np.arange(0, 50, 3))[variant]):
        rows = list(zip(matches.categories, matches.images, matches.ranks))
        assert rows == sorted(set(rows))
        within = matches.ranks[1:] > 0
        assert (np.diff(matches.scores)[within] <= 0).all()
        found = np.zeros(matches.positives.shape[:2], np.int64)
        np.add.at(found, (matches.images, matches.categories), matches.outcomes[:, 0, 0] == RIGHT)
        assert (found <= matches.positives[:, :, 0]).all()
