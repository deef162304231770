"""Coordinate descent against all roundings of small layers."""

import itertools
from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.base import concurrency
from quant_accuracy.quantization.records import Encoding
from quant_accuracy.repair.adaround import descent, optimizing
from quant_accuracy.repair.adaround.optimizing import Rows
from quant_accuracy.repair.adaround.rounding import Grid

_TAPS, _OUTPUTS, _STEP = 8, 3, 0.2


def _layer(activation: str = "", depthwise: bool = False) -> Tuple[np.ndarray, Grid, Rows]:
    """Weights whose inputs are alike, so that errors of rounding add up; some lie beyond the grid."""
    random = np.random.RandomState(1)
    shape = (300, _OUTPUTS, _TAPS) if depthwise else (300, _TAPS)
    inputs = (random.rand(300, 1, 1)[:, :, :len(shape) - 1].reshape([300] + [1] * (len(shape) - 1))
              + 0.4 * random.rand(*shape)).astype(np.float32)
    weights = random.uniform(-1, 1, (_OUTPUTS, _TAPS) if depthwise else (_TAPS, _OUTPUTS)).astype(np.float32)
    grid = Grid.of([Encoding(-0.8, 0.6, _STEP, -4, 3)], None, 2)
    bias = np.array([0.1, 0.5, 1.0], np.float32)
    return weights, grid, Rows(inputs, optimizing.outputs(inputs, weights) + bias, bias, activation)


def _places(weights: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    down = np.floor(weights / np.float32(_STEP))
    first, second = ((np.clip(places, -4, 3) * _STEP).astype(np.float32) for places in (down, down + 1))
    return first, second


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("free_bias", [False, True])
@pytest.mark.parametrize("activation", ["", "Relu", "Relu6"])
def test_rounding_is_among_the_best_of_all_roundings_of_a_layer(activation: str, free_bias: bool,
                                                                depthwise: bool) -> None:
    weights, grid, rows = _layer(activation, depthwise)

    found = descent.optimize(weights, grid, rows, free_bias, sweeps=12)
    errors = optimizing.errors(rows, found.weights, found.bias)

    down, up = _places(weights)
    every = np.array([optimizing.errors(rows, np.where(chosen, up, down), rows.bias)
                      for chosen in (np.array(one).reshape((1, -1) if depthwise else (-1, 1))
                                     for one in itertools.product((False, True), repeat=_TAPS))])
    # All outputs of a layer try the same roundings at once, and each is judged by itself.
    assert (errors <= np.quantile(every, 0.05, axis=0)).all()
    assert free_bias or np.array_equal(found.bias, rows.bias)


@pytest.mark.parametrize("depthwise", [False, True])
def test_weights_are_rounded_up_or_down_and_stay_on_the_grid(depthwise: bool) -> None:
    weights, grid, rows = _layer("Relu", depthwise)
    down, up = _places(weights)

    found = descent.optimize(weights, grid, rows, True, sweeps=12).weights

    assert found.shape == weights.shape
    assert (np.isclose(found, down, atol=1e-6) | np.isclose(found, up, atol=1e-6)).all()


def test_a_free_bias_is_the_best_one_for_the_weights() -> None:
    weights, grid, rows = _layer()

    found = descent.optimize(weights, grid, rows, True, sweeps=12)

    np.testing.assert_allclose(found.bias, (rows.targets - optimizing.outputs(rows.inputs, found.weights)).mean(axis=0),
                               atol=1e-5)


def test_more_sweeps_are_never_worse() -> None:
    weights, grid, rows = _layer("Relu6")

    found = [descent.optimize(weights, grid, rows, True, sweeps) for sweeps in range(1, 8)]
    errors = [optimizing.errors(rows, one.weights, one.bias) for one in found]

    # The ridge counts, too, where weights are sought.
    assert all((after <= before * 1.02 + 1e-6).all() for before, after in zip(errors, errors[1:]))
    assert errors[-1].sum() < errors[0].sum()


def test_a_layer_whose_inputs_are_all_zero_is_rounded_to_numbers() -> None:
    weights, grid, rows = _layer("Relu")

    found = descent.optimize(weights, grid, Rows(0 * rows.inputs, rows.targets, rows.bias, "Relu"), True, sweeps=12)

    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.bias).all()


def test_results_do_not_depend_on_the_number_of_cores() -> None:
    random = np.random.RandomState(2)
    inputs, weights = random.rand(450, 121).astype(np.float32), random.randn(121, 39).astype(np.float32)
    rows = Rows(inputs, inputs @ weights, np.zeros(39, np.float32), "Relu")
    grid = Grid.of([Encoding(-3.2, 2.8, 0.4, -8, 4)], None, 2)
    found = []
    for cores in (1, 2):
        with concurrency.limited_to(cores):
            found.append(descent.optimize(weights, grid, rows, True, sweeps=3))

    assert found[0].weights.tobytes() == found[1].weights.tobytes()
    assert found[0].bias.tobytes() == found[1].bias.tobytes()


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_factor_of_the_grids_step_is_taken_where_it_helps(shared: bool, depthwise: bool) -> None:
    weights, _, rows = _layer("Relu", depthwise)
    # Twice as coarse as the weights need.
    grid = Grid.of([Encoding(-1.6, 1.2, 2 * _STEP, -4, 3)], None, 2)
    alone = [descent.optimize(weights, grid, rows, True, 12, [factor]) for factor in (1.0, 0.7, 0.5)]
    errors = np.array([optimizing.errors(rows, one.weights, one.bias) for one in alone])

    found = descent.optimize(weights, grid, rows, True, 12, (1.0, 0.7, 0.5), shared)

    best = errors.sum(axis=1).argmin() * np.ones(_OUTPUTS, int) if shared else errors.argmin(axis=0)
    np.testing.assert_array_equal(found.factors, np.array([1.0, 0.7, 0.5])[best])
    np.testing.assert_allclose(optimizing.errors(rows, found.weights, found.bias), errors[best, range(_OUTPUTS)],
                               rtol=1e-5)
    assert errors.sum(axis=1).argmin() > 0
