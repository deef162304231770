"""Coordinate descent on the rounding of one layer: weights on their grid, one after the other where the error is least.

The error of a layer's output is a quadratic function of its weights, E(w) = mean |X w + b - t|^2, known from X'X and
X't. With all other weights as they are, the better of a weight's two places, down and up, is the nearer to the minimum
of a parabola, and a sweep takes every weight there in turn, in all outputs at once. (Places further away fit the
calibration images better, and no others.) The bias takes its best value for whatever weights there are. What an
activation function clips does not count: t is what is wanted where that is not clipped, and else what is there, where
it is clipped alike. E with such t is never below the true error and equal to it where it was made, so no sweep can
raise that (majorization; Hunter and Lange 2004, "A Tutorial on MM Algorithms").

It starts twice, from weights rounded to nearest, and from weights rounded one after the other, each one's error made up
for by those not yet rounded (Frantar et al. 2022, "GPTQ", section 3); each output keeps the better end.

All arrays of weights are [groups, taps, outputs of a group]: one group, or one for each channel of a depthwise layer.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np

from quant_accuracy.base import blas, concurrency
from quant_accuracy.repair.adaround import optimizing
from quant_accuracy.repair.adaround.optimizing import Rows
from quant_accuracy.repair.adaround.rounding import Grid

# What of the mean of X'X's diagonal is added to it, for directions in which the rows say little.
_RIDGE = 1e-3
_DAMPING = 1e-2


class Descended(NamedTuple):
    """A layer rounded by coordinate descent.

    Attributes:
        weights: float32, on their grid, of the shape of the layer's.
        bias: float32 [outputs].
        factors: float64 [outputs], by which the grid's step was multiplied.
    """

    weights: np.ndarray
    bias: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """A layer in groups.

    Attributes:
        rows: What it takes and should give.
        inputs: float32 [groups, rows, taps], the mean of each tap taken off where the bias is free.
        means: float64 [groups, taps], those means, or zeros.
        square: float64 [groups, taps, taps], X'X / n with the ridge.
        weights: float64, the weights of float.
        ridge: float64 [groups], what was added to the diagonal.
        free_bias: Whether the bias may change.
        order: The taps as a sweep takes them.
    """

    rows: Rows
    inputs: np.ndarray
    means: np.ndarray
    square: np.ndarray
    weights: np.ndarray
    ridge: np.ndarray
    free_bias: bool
    order: np.ndarray


class _Places(NamedTuple):
    """Where weights may lie: the step of each one's grid, and the places, in steps, below and above it."""

    step: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def nearest(self, values: np.ndarray, tap: int) -> np.ndarray:
        """The nearer place for values of one tap, [groups, outputs of a group]."""
        step = self.step[:, tap]
        return np.clip(np.rint(values / step), self.low[:, tap], self.high[:, tap]) * step


class _End(NamedTuple):
    """Where sweeps led: float32 weights in the layer's shape, float32 bias, and the error of each output."""

    weights: np.ndarray
    bias: np.ndarray
    errors: np.ndarray


def optimize(weights: np.ndarray, grid: Grid, rows: Rows, free_bias: bool, sweeps: int,
             factors: Sequence[float] = (1.0,), shared: bool = True) -> Descended:
    """Round a layer's weights for its output.

    Args:
        weights: float32 [taps, outputs], or of a depthwise layer [channels, taps].
        grid: Their grid, which broadcasts to that shape.
        rows: What the layer takes and should give.
        free_bias: Whether its bias may change, too.
        sweeps: The most sweeps of each start.
        factors: What the grid's step may be multiplied by; a finer grid clips more weights.
        shared: Whether all outputs have the same grid, and so the same factor.
    """
    starts = (_nearest, _compensated)
    # Sums are taken in another order on another number of threads, and a weight between two places would move.
    with blas.one_thread():
        problem = _problem(weights, rows, free_bias)
        places = [_places(problem, grid, factor) for factor in factors]
        ends = list(concurrency.run_concurrently(
            lambda one: _end(problem, one[0], one[1](problem, one[0]), sweeps), itertools.product(places, starts)))
    errors = np.array([end.errors for end in ends])
    of_factors = errors.reshape(len(factors), len(starts), -1).min(axis=1)
    best = np.broadcast_to(of_factors.sum(axis=1).argmin() if shared else of_factors.argmin(axis=0), rows.bias.shape)
    errors[np.arange(len(ends))[:, None] // len(starts) != best] = np.inf
    end = errors.argmin(axis=0)
    at = end[:, None] if rows.inputs.ndim == 3 else end
    return Descended(sum(np.where(at == number, one.weights, 0) for number, one in enumerate(ends)),
                     sum(np.where(end == number, one.bias, 0) for number, one in enumerate(ends)),
                     np.array(factors)[best])


def _grouped(values: np.ndarray, rows: Rows) -> np.ndarray:
    return (values[:, :, None] if rows.inputs.ndim == 3 else values[None]).astype(np.float64)


def _problem(weights: np.ndarray, rows: Rows, free_bias: bool) -> _Problem:
    inputs = rows.inputs.astype(np.float64)
    inputs = np.ascontiguousarray(inputs.transpose(1, 0, 2)) if inputs.ndim == 3 else inputs[None]
    means = inputs.mean(axis=1) if free_bias else np.zeros((len(inputs), inputs.shape[2]))
    inputs -= means[:, None]
    square = np.matmul(inputs.transpose(0, 2, 1), inputs) / inputs.shape[1]
    diagonal = np.einsum("gtt->gt", square)
    # A layer whose inputs are all zero has any rounding as its best.
    ridge = np.maximum(_RIDGE * diagonal.mean(axis=1), np.finfo(np.float32).tiny)
    order = np.argsort(-diagonal.sum(axis=0), kind="stable")
    diagonal += ridge[:, None]
    return _Problem(rows, inputs.astype(np.float32), means, square, _grouped(weights, rows), ridge, free_bias, order)


def _places(problem: _Problem, grid: Grid, factor: float) -> _Places:
    """The places of weights on a grid whose step is multiplied by a factor."""
    shape = (problem.weights[:, :, 0] if problem.rows.inputs.ndim == 3 else problem.weights[0]).shape
    step, first = (_grouped(np.broadcast_to(values, shape), problem.rows) for values in (grid.scale, grid.offset))
    step = step * factor
    down = np.floor(problem.weights / step)
    return _Places(step, *(np.clip(places, first, first + grid.largest) for places in (down, down + 1)))


def _nearest(problem: _Problem, places: _Places) -> np.ndarray:
    return np.asarray(np.clip(np.rint(problem.weights / places.step), places.low, places.high) * places.step)


def _compensated(problem: _Problem, places: _Places) -> np.ndarray:
    """Weights rounded tap after tap, each one's error made up for by the taps behind it."""
    order, taps = problem.order, problem.weights.shape[1]
    square = problem.square[:, order][:, :, order]
    damping = _DAMPING * np.einsum("gtt->gt", square).mean(axis=1)
    inverse = np.linalg.inv(square + damping[:, None, None] * np.eye(taps))
    factor = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    left, found = problem.weights[:, order].copy(), np.empty_like(problem.weights)
    for position, tap in enumerate(order):
        found[:, tap] = places.nearest(left[:, position], tap)
        error = (left[:, position] - found[:, tap]) / factor[:, position, position][:, None]
        left[:, position:] -= factor[:, position, position:, None] * error[:, None]
    return found


def _end(problem: _Problem, places: _Places, weights: np.ndarray, sweeps: int) -> _End:
    """Where sweeps lead from some weights."""
    rows, bias = problem.rows, problem.rows.bias.astype(np.float64)
    for _ in range(sweeps):
        aim = _aim(problem, weights, bias) if rows.activation else rows.targets
        bias_of_zero = aim.mean(axis=0, dtype=np.float64) if problem.free_bias else bias
        slope = np.matmul(problem.square, weights) - _products(problem, aim - bias_of_zero.astype(np.float32)) \
            - problem.ridge[:, None, None] * problem.weights
        moved = _sweep(problem, places, weights, slope)
        if problem.free_bias:
            bias = bias_of_zero - np.einsum("gt,gto->go", problem.means, weights).reshape(-1)
        if not moved:
            break
    found = (weights[:, :, 0] if rows.inputs.ndim == 3 else weights[0]).astype(np.float32)
    return _End(found, bias.astype(np.float32), optimizing.errors(rows, found, bias))


def _aim(problem: _Problem, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """What a layer is to give before its activation function, [rows, outputs], from what it gives with some weights."""
    given = np.matmul(problem.inputs, weights.astype(np.float32)).transpose(1, 0, 2)
    given = given.reshape(len(given), -1)
    given += (bias + np.einsum("gt,gto->go", problem.means, weights).reshape(-1)).astype(np.float32)
    wanted, (low, high) = problem.rows.targets, optimizing.ACTIVATIONS[problem.rows.activation]
    return np.where(wanted <= low, np.minimum(given, low), np.where(wanted >= high, np.maximum(given, high), wanted))


def _products(problem: _Problem, values: np.ndarray) -> np.ndarray:
    """X'v / n of float32 [rows, outputs]."""
    groups, rows = problem.inputs.shape[:2]
    return np.asarray(np.matmul(problem.inputs.transpose(0, 2, 1),
                                values.reshape(rows, groups, -1).transpose(1, 0, 2)) / np.float32(rows))


def _sweep(problem: _Problem, places: _Places, weights: np.ndarray, slope: np.ndarray) -> bool:
    """Take each weight to its best place, in place, given the slope of the error; whether one moved."""
    moved = False
    # Few weights move, and what one changes lies in a row.
    by_output = np.ascontiguousarray(slope.transpose(0, 2, 1))
    for tap in problem.order:
        before = weights[:, tap].copy()
        weights[:, tap] = places.nearest(before - by_output[:, :, tap] / problem.square[:, tap, tap][:, None], tap)
        change = weights[:, tap] - before
        at = change.nonzero()
        if len(at[0]):
            by_output[at] += change[at][:, None] * problem.square[at[0], tap]
            moved = True
    return moved
