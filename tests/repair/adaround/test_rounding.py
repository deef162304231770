"""The formulas of AdaRound against those of AIMET 1.19.1, one step each."""

import json
from typing import Any, Dict

import numpy as np
import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.records import Encoding
from quant_accuracy.repair.adaround import rounding
from quant_accuracy.repair.adaround.rounding import Grid, Schedule
from tests.support.places import REFERENCE

_AIMET = json.loads((REFERENCE / "aimet_adaround.json").read_text())
_ARRAYS = np.load(str(REFERENCE / "aimet_adaround.npz"), allow_pickle=False)
_CASES = sorted(_AIMET["encodings"])


def _grid(case: str) -> Grid:
    found: Dict[str, Any] = _AIMET["encodings"][case]
    return Grid.of([Encoding(found["min"], found["max"], found["delta"], int(found["offset"]), found["bw"])], None, 4)


def _rounded_off(grid: Grid) -> float:
    """What float32 rounds off of the largest position on a grid."""
    return float(np.finfo(np.float32).eps) * grid.largest


@pytest.mark.parametrize("case", _CASES)
def test_variables_begin_as_aimets(case: str) -> None:
    alpha = rounding.initial_alpha(_ARRAYS[f"{case}/w"], _grid(case))

    # The logarithm multiplies what float32 rounds off of w / delta by up to 1.2 / (0.1 * 1.1).
    np.testing.assert_allclose(alpha, _ARRAYS[f"{case}/alpha"], rtol=2e-6, atol=11 * _rounded_off(_grid(case)))


@pytest.mark.parametrize(("alpha", "kind"), [("alpha", ""), ("alpha2", "2")])
@pytest.mark.parametrize("case", _CASES)
def test_weights_are_rounded_softly_and_hard_as_aimets(case: str, alpha: str, kind: str) -> None:
    weights, variables = _ARRAYS[f"{case}/w"], _ARRAYS[f"{case}/{alpha}"]

    grid = _grid(case)
    soft, hard = (rounding.rounded(weights, grid, variables, hard) for hard in (False, True))

    limit = _rounded_off(grid) * float(grid.scale.max())
    np.testing.assert_allclose(soft, _ARRAYS[f"{case}/soft{kind}"], rtol=1e-6, atol=limit)
    np.testing.assert_allclose(hard, _ARRAYS[f"{case}/hard{kind}"], rtol=1e-6, atol=limit)


@pytest.mark.parametrize("case", _AIMET["round_loss"], ids=lambda case: f"{case['key']}-{case['beta']}")
def test_regularizer_and_its_derivative_are_aimets(case: Dict[str, Any]) -> None:
    alpha = _ARRAYS[f"{case['key']}/alpha2"]

    value = case["reg_param"] * rounding.regularizer(alpha, case["beta"])
    gradient = case["reg_param"] * rounding.regularizer_gradient(alpha, case["beta"])

    assert value == pytest.approx(case["round_loss_alpha2"], rel=1e-6)
    np.testing.assert_allclose(gradient, _ARRAYS[f"{case['key']}/grad_beta{case['beta']:g}"], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("table", _AIMET["beta"], ids=lambda table: f"{table['max_iter']}-{table['warm_start']}")
def test_exponent_falls_as_aimets(table: Dict[str, Any]) -> None:
    schedule = Schedule(table["max_iter"], warm_start=table["warm_start"])

    found = {number: schedule.beta(int(number)) for number in table["table"]}

    assert found == pytest.approx(table["table"], rel=1e-12)


def test_reconstruction_loss_is_aimets() -> None:
    found = rounding.reconstruction_loss(_ARRAYS["recon_a"], _ARRAYS["recon_b"])

    assert found == pytest.approx(_AIMET["reconstruction_loss"], rel=1e-6)


def test_each_channel_is_rounded_on_its_own_grid() -> None:
    encodings = [Encoding(-8.0, 7.0, 1.0, -8, 4), Encoding(-0.8, 0.7, 0.1, -8, 4)]
    weights = np.array([[0.3, 0.33], [9.0, -9.0]], np.float32)
    grid = Grid.of(encodings, 1, 2)

    found = rounding.rounded(weights, grid, np.ones((2, 2), np.float32), hard=True)

    np.testing.assert_allclose(found, [[1.0, 0.4], [7.0, -0.8]], rtol=1e-6)
    assert rounding.on_grid(weights, grid).tolist() == [[True, True], [False, False]]


def test_a_schedule_without_iterations_is_refused_with_what_to_give() -> None:
    with pytest.raises(ConfigurationError, match="0 iterations .*give at least one iteration"):
        Schedule(iterations=0)
