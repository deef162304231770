"""Intervals from few observations, against tables and random numbers."""

import math

import numpy as np
import pytest

from quant_accuracy.scoring.intervals import least_observations, student_interval, student_quantile


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
