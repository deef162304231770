"""Calibration of scores, by hand."""

from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.scoring import score_calibration
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG, Matches


def _matches(*found: Tuple[float, int]) -> Matches:
    """Detections of one class on one image, each with its score and outcome."""
    scores, outcomes = (np.array(column) for column in zip(*found)) if found else (np.zeros(0), np.zeros(0, int))
    rows = np.arange(len(scores))
    return Matches(np.array([1]), np.array([1]), rows, rows * 0, rows * 0, rows, scores.astype(float),
                   outcomes.astype(np.uint8).reshape(-1, 1, 1), np.zeros([1, 1, 1], np.int64))


def test_each_part_of_the_scores_has_its_count_mean_score_and_precision() -> None:
    found = score_calibration.measure(_matches((0.95, RIGHT), (0.91, WRONG), (0.55, RIGHT), (1.0, RIGHT),
                                               (0.52, UNCOUNTED), (0.02, WRONG)), 0.05)

    assert found.counts.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert found.scores[[5, 9]] == pytest.approx([0.55, (0.95 + 0.91 + 1.0) / 3])
    assert found.precisions[[5, 9]] == pytest.approx([1.0, 2 / 3])
    assert np.isnan(found.scores[0])
    assert found.error == pytest.approx((0.45 + 3 * abs(2 / 3 - 2.86 / 3)) / 4)


def test_scores_that_are_probabilities_have_no_error() -> None:
    found = score_calibration.measure(_matches(*[(0.75, RIGHT)] * 3, (0.75, WRONG)), 0.05)

    assert found.error == pytest.approx(0.0)


def test_without_detections_nothing_is_known() -> None:
    assert score_calibration.measure(_matches(), 0.05).error is None
