"""The optimizer against all roundings of small layers, and its derivatives against differences."""

import itertools
from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.quantization.records import Encoding
from quant_accuracy.repair.adaround import optimizing, rounding
from quant_accuracy.repair.adaround.optimizing import Rows
from quant_accuracy.repair.adaround.rounding import Grid, Schedule

_TAPS = 8


def _layer(activation: str, depthwise: bool = False, seed: int = 0) -> Tuple[np.ndarray, Grid, Rows]:
    """Weights whose inputs are alike, so that errors of rounding add up, and their grid and rows."""
    random = np.random.RandomState(seed)
    inputs = (random.rand(400, 1) + 0.4 * random.rand(400, _TAPS)).astype(np.float32)
    weights = random.uniform(-1, 1, (_TAPS, 1)).astype(np.float32)
    grid = Grid.of([Encoding(-1.6, 1.4, 0.2, -8, 4)], None, 2)
    bias = np.array([0.1], np.float32)
    rows = Rows(inputs, inputs @ weights + bias, bias, activation)
    if depthwise:
        rows, weights = Rows(inputs[:, None], rows.targets, bias, activation), weights.T
    return weights, grid, rows


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("activation", ["", "Relu", "Relu6"])
def test_rounding_is_among_the_best_of_all_roundings_of_a_layer(activation: str, depthwise: bool) -> None:
    weights, grid, rows = _layer(activation, depthwise)
    schedule = Schedule(iterations=800, batch=100)

    alpha = optimizing.optimize(weights, grid, rows, schedule)
    found = optimizing.error(rows, rounding.rounded(weights, grid, alpha, hard=True))
    signs = (np.array(one, np.float32).reshape(weights.shape) for one in itertools.product((-1, 1), repeat=_TAPS))
    every = sorted(optimizing.error(rows, rounding.rounded(weights, grid, one, hard=True)) for one in signs)
    nearest = optimizing.error(rows, rounding.rounded(weights, grid, rounding.initial_alpha(weights, grid), hard=True))

    assert found < nearest / 2
    assert found <= every[len(every) // 20]


def test_an_iteration_goes_against_the_error_of_every_row() -> None:
    weights, _, rows = _layer("")
    batches = Rows(rows.inputs, rows.targets, rows.bias, "Relu")
    low = weights * np.float32(0.9)

    exact = optimizing._by_products(rows)(low, 0)
    by_rows = optimizing._by_batches(batches, Schedule(batch=len(rows.inputs)), 0)(low, 0)

    def at(step: float, tap: int, chosen: Rows) -> float:
        moved = low.astype(np.float64)
        moved[tap, 0] += step
        return optimizing.error(chosen, moved)

    for slope, chosen in ((exact, rows), (by_rows, batches)):
        differences = [(at(1e-5, tap, chosen) - at(-1e-5, tap, chosen)) / 2e-5 for tap in range(_TAPS)]
        np.testing.assert_allclose(slope[:, 0], differences, rtol=1e-3, atol=1e-4)


def test_the_same_seed_gives_the_same_variables() -> None:
    weights, grid, rows = _layer("Relu6")
    schedule = Schedule(iterations=50, batch=64)

    first, second = (optimizing.optimize(weights, grid, rows, schedule, seed=3) for _ in range(2))

    np.testing.assert_array_equal(first, second)
