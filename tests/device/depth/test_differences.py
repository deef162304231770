"""Figures in steps, against values counted by hand."""

import numpy as np
import pytest

from quant_accuracy.device.depth.differences import Sums


def _values(*steps: float) -> np.ndarray:
    return np.array(steps, np.float32) * 0.5


def test_figures_are_those_of_all_elements_in_steps() -> None:
    found = Sums().plus(_values(1, 3), _values(1, 1), 0.5).plus(_values(0, -3), _values(1, 1), 0.5).figures()

    assert found.most == 4.0
    assert found.mean == pytest.approx((0 + 2 + 1 + 4) / 4)
    assert found.shift == pytest.approx((0 + 2 - 1 - 4) / 4)
    assert found.rms == pytest.approx(((0 + 4 + 1 + 16) / 4) ** 0.5)
    assert found.beyond == 0.5


def test_a_whole_step_is_not_beyond_one_though_float32_makes_more_of_it() -> None:
    values = np.full([1000], 7, np.float32) * np.float32(0.0235294122)

    assert Sums().plus(values, np.full([1000], 6, np.float32) * np.float32(6.0 / 255), 6.0 / 255).figures().beyond == 0


def test_what_is_no_number_is_as_far_away_as_a_grid_is_wide() -> None:
    found = Sums().plus(np.array([np.nan, np.inf], np.float32), np.zeros(2, np.float32), 1.0).figures()

    assert (found.most, found.mean, found.beyond) == (255.0, 255.0, 1.0)


def test_of_no_elements_nothing_differs() -> None:
    assert Sums().plus(np.zeros([0], np.float32), np.zeros([0], np.float32), 1.0).figures().rms == 0
