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

from dataclasses import dataclass
from typing import Callable, NamedTuple, Tuple

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
    """

    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """A layer in groups.

    Attributes:
        rows: What it takes and should give.
        inputs: float64 [groups, rows, taps], the mean of each tap taken off where the bias is free.
        means: float64 [groups, taps], those means, or zeros.
        square: float64 [groups, taps, taps], X'X / n with the ridge.
        weights: float64, the weights of float.
        step: float64, the grid's step of each weight.
        low: The place on the grid to which each weight is rounded down, in steps.
        high: That to which it is rounded up.
        ridge: float64 [groups], what was added to the diagonal.
        free_bias: Whether the bias may change.
        order: The taps as a sweep takes them.
    """

    rows: Rows
    inputs: np.ndarray
    means: np.ndarray
    square: np.ndarray
    weights: np.ndarray
    step: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ridge: np.ndarray
    free_bias: bool
    order: np.ndarray

    def snapped(self, weights: np.ndarray, tap: int) -> np.ndarray:
        """The nearest places on the grid to values of one tap, [groups, outputs of a group]."""
        step = self.step[:, tap]
        return np.clip(np.rint(weights / step), self.low[:, tap], self.high[:, tap]) * step


def optimize(weights: np.ndarray, grid: Grid, rows: Rows, free_bias: bool, sweeps: int) -> Descended:
    """Round a layer's weights for its output.

    Args:
        weights: float32 [taps, outputs], or of a depthwise layer [channels, taps].
        grid: Their grid, which broadcasts to that shape.
        rows: What the layer takes and should give.
        free_bias: Whether its bias may change, too.
        sweeps: The most sweeps of each start.
    """
    # Sums are taken in another order on another number of threads, and a weight between two places would move.
    with blas.one_thread():
        problem = _problem(weights, grid, rows, free_bias)
        ends = list(concurrency.run_concurrently(lambda start: _descend(problem, start(problem), sweeps),
                                                 (_nearest, _compensated)))
        errors = [optimizing.errors(rows, _flat(problem, end), bias) for end, bias in ends]
    better = errors[1] < errors[0]
    found = np.where(better.reshape(problem.weights.shape[0], 1, -1), ends[1][0], ends[0][0])
    return Descended(_flat(problem, found), np.where(better, ends[1][1], ends[0][1]).astype(np.float32))


def _problem(weights: np.ndarray, grid: Grid, rows: Rows, free_bias: bool) -> _Problem:
    depthwise = rows.inputs.ndim == 3

    def grouped(values: np.ndarray) -> np.ndarray:
        whole = np.broadcast_to(values, weights.shape).astype(np.float64)
        return whole[:, :, None] if depthwise else whole[None]

    inputs = rows.inputs.astype(np.float64)
    inputs = np.ascontiguousarray(inputs.transpose(1, 0, 2)) if depthwise else inputs[None]
    means = inputs.mean(axis=1) if free_bias else np.zeros((len(inputs), inputs.shape[2]))
    inputs = inputs - means[:, None]
    square = np.matmul(inputs.transpose(0, 2, 1), inputs) / inputs.shape[1]
    diagonal = np.einsum("gtt->gt", square)
    # A layer whose inputs are all zero has any rounding as its best.
    ridge = np.maximum(_RIDGE * diagonal.mean(axis=1), np.finfo(np.float32).tiny)
    order = np.argsort(-diagonal.sum(axis=0), kind="stable")
    diagonal += ridge[:, None]
    first, steps = grouped(grid.offset), grouped(grid.scale)
    down = np.floor(grouped(weights) / steps)
    low, high = (np.clip(places, first, first + grid.largest) for places in (down, down + 1))
    return _Problem(rows, inputs, means, square, grouped(weights), steps, low, high, ridge, free_bias, order)


def _nearest(problem: _Problem) -> np.ndarray:
    places = np.rint(problem.weights / problem.step)
    return np.asarray(np.clip(places, problem.low, problem.high) * problem.step)


def _compensated(problem: _Problem) -> np.ndarray:
    """Weights rounded tap after tap, each one's error made up for by the taps behind it."""
    order, taps = problem.order, problem.weights.shape[1]
    square = problem.square[:, order][:, :, order]
    damping = _DAMPING * np.einsum("gtt->gt", square).mean(axis=1)
    inverse = np.linalg.inv(square + damping[:, None, None] * np.eye(taps))
    factor = np.linalg.cholesky(inverse).transpose(0, 2, 1)
    left, found = problem.weights[:, order].copy(), np.empty_like(problem.weights)
    for position, tap in enumerate(order):
        found[:, tap] = problem.snapped(left[:, position], tap)
        error = (left[:, position] - found[:, tap]) / factor[:, position, position][:, None]
        left[:, position:] -= factor[:, position, position:, None] * error[:, None]
    return found


def _descend(problem: _Problem, weights: np.ndarray, sweeps: int) -> Tuple[np.ndarray, np.ndarray]:
    """The weights to which sweeps lead, and the bias with them."""
    rows, target = problem.rows, _targets(problem.rows)
    bias = rows.bias.astype(np.float64)
    for _ in range(sweeps):
        given = _outputs(problem, weights)
        aim = target(given + bias)
        bias_of_zero = aim.mean(axis=0) if problem.free_bias else bias
        slope = np.matmul(problem.square, weights) - _products(problem, aim - bias_of_zero) \
            - problem.ridge[:, None, None] * problem.weights
        moved = _sweep(problem, weights, slope)
        if problem.free_bias:
            bias = bias_of_zero - np.einsum("gt,gto->go", problem.means, weights).reshape(-1)
        if not moved:
            break
    return weights, bias


def _targets(rows: Rows) -> Callable[[np.ndarray], np.ndarray]:
    """What a layer is to give before its activation function, from what it gives."""
    wanted = rows.targets.astype(np.float64)
    if not rows.activation:
        return lambda given: wanted
    low, high = optimizing.ACTIVATIONS[rows.activation]
    below, above = wanted <= low, wanted >= high

    def targets(given: np.ndarray) -> np.ndarray:
        return np.where(below, np.minimum(given, low), np.where(above, np.maximum(given, high), wanted))

    return targets


def _outputs(problem: _Problem, weights: np.ndarray) -> np.ndarray:
    """[rows, outputs], without the bias."""
    given = np.matmul(problem.inputs, weights) + np.matmul(problem.means[:, None], weights)
    return np.asarray(given.transpose(1, 0, 2).reshape(given.shape[1], -1))


def _products(problem: _Problem, values: np.ndarray) -> np.ndarray:
    """X'v / n of [rows, outputs]."""
    groups, rows = problem.inputs.shape[:2]
    return np.asarray(np.matmul(problem.inputs.transpose(0, 2, 1),
                                values.reshape(rows, groups, -1).transpose(1, 0, 2)) / rows)


def _sweep(problem: _Problem, weights: np.ndarray, slope: np.ndarray) -> bool:
    """Take each weight to its best place, in place, as the slope; whether one moved."""
    moved = False
    for tap in problem.order:
        before = weights[:, tap].copy()
        weights[:, tap] = problem.snapped(before - slope[:, tap] / problem.square[:, tap, tap][:, None], tap)
        change = weights[:, tap] - before
        if change.any():
            slope += problem.square[:, :, tap, None] * change[:, None]
            moved = True
    return moved


def _flat(problem: _Problem, weights: np.ndarray) -> np.ndarray:
    """float32, in the layer's shape."""
    return (weights[:, :, 0] if problem.rows.inputs.ndim == 3 else weights[0]).astype(np.float32)
