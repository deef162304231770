"""Intervals from few observations, against tables and random numbers."""

import math
from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.scoring import bootstrap
from quant_accuracy.scoring.intervals import (
    clustered_share_interval,
    least_observations,
    percentile_interval,
    student_interval,
    student_quantile,
)


@pytest.mark.parametrize(("confidence", "freedom", "table"), [
    # Two-sided points of Student's distribution as printed in Abramowitz and Stegun, table 26.10.
    (0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 5, 2.571), (0.95, 30, 2.042), (0.95, 120, 1.980),
    (0.99, 8, 3.355), (0.99, 3, 5.841), (0.999, 10, 4.587), (0.5, 4, 0.741), (0.95, 100_000, 1.965),
])
def test_quantiles_are_those_of_the_tables(confidence: float, freedom: int, table: float) -> None:
    assert student_quantile(confidence, freedom) == pytest.approx(table, abs=6e-4)


@pytest.mark.parametrize("observations", [6, 12, 40])
def test_an_interval_of_a_mean_from_its_bootstrap_covers_it_as_often_as_it_says(observations: int) -> None:
    random = np.random.RandomState(observations)
    trials = random.normal(0.3, 0.1, size=[4000, observations])
    # What a bootstrap of a mean has in the limit of many resamples.
    deviations = trials.std(axis=1) / math.sqrt(observations)
    intervals = [student_interval(values.mean(), deviation, observations, 0.95)
                 for values, deviation in zip(trials, deviations)]

    assert np.mean([low <= 0.3 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(("confidence", "least"), [(0.5, 2), (0.75, 3), (0.95, 6), (1 - 0.05 / 12, 9),
                                                   (1 - 0.05 / 80, 12)])
def test_the_least_number_of_observations_is_that_of_the_sign_test(confidence: float, least: int) -> None:
    assert least_observations(confidence) == least
    assert 1 - 2.0 ** (1 - least) >= confidence > 1 - 2.0 ** (2 - least)


def _population(share: float, alike: float, seed: int, images: int = 5000) -> Tuple[np.ndarray, np.ndarray]:
    """Cases of each image, and how many of them are chosen; those of an image are alike to some degree."""
    random = np.random.RandomState(seed)
    total = np.where(random.uniform(size=images) < 0.1, 0, 1 + random.poisson(random.gamma(1.0, 3.0, images)))
    spread = 1 / alike - 1
    return random.binomial(total, random.beta(share * spread, (1 - share) * spread, images)), total


@pytest.mark.parametrize(("share", "alike"), [(0.99, 0.05), (0.95, 0.4), (0.85, 0.2), (0.6, 0.3)])
@pytest.mark.parametrize("images", [10, 40, 300])
def test_the_interval_of_a_share_covers_that_of_all_images(share: float, alike: float, images: int) -> None:
    chosen, total = _population(share, alike, seed=1)
    truth, random = chosen.sum() / total.sum(), np.random.RandomState(images)
    found = []
    for _ in range(300):
        part = random.choice(len(total), images, replace=False)
        interval = clustered_share_interval(chosen[part], total[part], images / len(total))
        assert interval is not None
        found.append(interval)

    # What covers 95 % covers so many of 300, give or take three standard deviations.
    assert np.mean([low <= truth <= high for low, high in found]) >= 0.91


def test_percentiles_would_not_cover_a_share_near_one() -> None:
    chosen, total = _population(0.99, 0.05, seed=1)
    truth, random = chosen.sum() / total.sum(), np.random.RandomState(0)
    weights = bootstrap.draw(20, 100)
    parts = [random.choice(len(total), 20, replace=False) for _ in range(100)]
    found = [percentile_interval((weights @ chosen[part]) / (weights @ total[part])) for part in parts]

    assert np.mean([low <= truth <= high for low, high in found]) < 0.7


def test_many_images_give_the_interval_of_a_bootstrap() -> None:
    chosen, total = _population(0.8, 0.2, seed=2, images=2000)
    weights = bootstrap.draw(2000, 400)
    plain = percentile_interval((weights @ chosen) / (weights @ total))

    assert clustered_share_interval(chosen, total) == pytest.approx(plain, abs=0.003)


def test_a_share_without_cases_has_no_interval_and_one_of_all_images_no_width() -> None:
    assert clustered_share_interval(np.zeros(5, int), np.zeros(5, int)) is None
    chosen, total = _population(0.9, 0.2, seed=3, images=100)

    assert clustered_share_interval(chosen, total, 1.0) == pytest.approx([chosen.sum() / total.sum()] * 2, abs=1e-4)


@pytest.mark.parametrize("images", [1, 3, 10, 40])
def test_few_images_that_all_agree_prove_little(images: int) -> None:
    interval = clustered_share_interval(np.full(images, 4), np.full(images, 4))

    assert interval is not None
    assert interval.high == 1.0
    assert interval.low < 1 - 1 / (images + 1)
