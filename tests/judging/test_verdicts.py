"""Bounds: where an interval lies, and how many shards would tell."""

import math
from typing import Optional

import numpy as np
import pytest

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.judging import verdicts
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Bounds, Part
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps


@pytest.mark.parametrize(("lower", "upper", "low", "high", "outcome"), [
    (0.5, None, 0.5, 0.6, PASS), (0.5, None, 0.4, 0.6, INCONCLUSIVE), (0.5, None, 0.4, 0.49, FAIL),
    (None, 0.02, 0.0, 0.02, PASS), (None, 0.02, 0.01, 0.03, INCONCLUSIVE), (None, 0.02, 0.021, 0.03, FAIL),
    (0.1, 0.2, 0.1, 0.2, PASS), (0.1, 0.2, 0.05, 0.25, INCONCLUSIVE), (0.1, 0.2, 0.21, 0.3, FAIL),
    (None, None, -9.0, 9.0, PASS),
])
def test_an_interval_passes_inside_fails_outside_and_else_settles_nothing(
        lower: Optional[float], upper: Optional[float], low: float, high: float, outcome: str) -> None:
    assert Bounds(lower, upper).outcome(Interval(low, high)) == outcome


def test_the_distance_is_that_to_the_nearer_end() -> None:
    assert Bounds(0.1, 0.3).distance(0.25) == pytest.approx(0.05)
    assert Bounds(None, 0.3).distance(0.1) == pytest.approx(0.2)
    assert Bounds(None, None).distance(0.1) == math.inf


def _part(shards: int, others: int) -> Part:
    nothing = PartialAps(np.zeros(1), np.zeros(1), np.zeros([2, 1]), np.zeros([2, 1]),
                         ClassImages(np.ones(1), np.ones(1)))
    return Part(nothing, images=20 * shards, shards=shards, others=others)


@pytest.mark.parametrize(("value", "others", "needed"), [
    # The interval reaches 0.01 beyond the value: (0.01 / 0.005)^2 = 4 times the two shards settle a distance of 0.005.
    (0.015, 10, "6 more shards"), (0.025, 10, "6 more shards"), (0.0121, 10, "2 more shards"),
    (0.015, 5, "evaluate all shards"), (0.02, 10, "evaluate all shards"),
])
def test_an_interval_narrows_with_the_root_of_the_shards(value: float, others: int, needed: str) -> None:
    said = verdicts.remedy(value, Bounds(None, 0.02), Interval(value - 0.01, value + 0.01), _part(2, others))

    assert needed in said


def test_where_all_was_evaluated_there_is_nothing_more_to_evaluate() -> None:
    assert verdicts.remedy(0.5, Bounds(0.5, None), Interval(0.4, 0.6), None) == ""
    assert verdicts.remedy(0.5, Bounds(0.5, None), None, _part(2, 8)) == ""


def test_without_ground_truth_there_is_no_map_to_judge() -> None:
    assert verdicts.mean_ap(Metrics({"mAP": 0.0}, {}, 1, 1)) == 0.0
    with pytest.raises(QuantAccuracyError, match="no ground truth in the evaluated images"):
        verdicts.mean_ap(Metrics({"mAP": None}, {}, 1, 1))
