"""Adam on the rounding of one layer: the squared error of its output, and the regularizer.

Where no activation function follows, the error of all rows is a quadratic function of the weights, known from the
rows' products alone: an iteration costs the same for any number of rows. Elsewhere it is taken on batches of rows.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

from quant_accuracy.repair.adaround import rounding
from quant_accuracy.repair.adaround.rounding import Grid, Schedule

RELU, RELU6 = "Relu", "Relu6"
ACTIVATIONS: Dict[str, Tuple[float, float]] = {RELU: (0.0, float("inf")), RELU6: (0.0, 6.0)}
_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Rows:
    """What a layer takes and should give, row by row; a row is one position of an image.

    Attributes:
        inputs: float32 [rows, taps], or of a depthwise layer [rows, channels, taps].
        targets: float32 [rows, outputs], biases included, before the activation function.
        bias: float32 [outputs].
        activation: `Relu` or `Relu6`; empty for none.
    """

    inputs: np.ndarray
    targets: np.ndarray
    bias: np.ndarray
    activation: str = ""


# A function from weights, [taps, outputs] or [channels, taps], and an iteration's number to the error's derivative.
_Slope = Callable[[np.ndarray, int], np.ndarray]


def outputs(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What a layer's weights make of rows, without its bias: a product, or one for each channel."""
    if inputs.ndim == 2:
        return inputs @ weights
    return np.asarray(np.einsum("nct,ct->nc", inputs, weights))


def activated(values: np.ndarray, activation: str) -> np.ndarray:
    """The activation function of some values."""
    return np.clip(values, *ACTIVATIONS[activation]) if activation else values


def error(rows: Rows, weights: np.ndarray) -> float:
    """The reconstruction loss of some weights over all rows, behind the activation function."""
    found = outputs(rows.inputs, weights) + rows.bias
    return rounding.reconstruction_loss(activated(found, rows.activation), activated(rows.targets, rows.activation))


def errors(rows: Rows, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The part that each output has in that, float64, with another bias."""
    found = outputs(rows.inputs, weights) + bias.astype(np.float32)
    apart = activated(found, rows.activation) - activated(rows.targets, rows.activation)
    return np.asarray(np.mean(np.square(apart, dtype=np.float64), axis=0))


def optimize(weights: np.ndarray, grid: Grid, rows: Rows, schedule: Schedule, seed: int = 0) -> np.ndarray:
    """The variables alpha that round a layer's weights for its output; float32, of the weights' shape.

    Args:
        weights: float32 [taps, outputs], or of a depthwise layer [channels, taps].
        grid: Their grid, which broadcasts to that shape.
        rows: What the layer takes and should give.
        schedule: How to train.
        seed: Of the order of rows.
    """
    slope = _by_batches(rows, schedule, seed) if rows.activation else _by_products(rows)
    alpha = rounding.initial_alpha(weights, grid)
    movable = (rounding.on_grid(weights, grid) * grid.scale).astype(np.float32)
    first, second = np.zeros_like(alpha), np.zeros_like(alpha)
    for iteration in range(schedule.iterations):
        soft = rounding.rounded(weights, grid, alpha, hard=False)
        gradient = slope(soft, iteration) * movable
        if schedule.regularizes(iteration):
            beta = schedule.beta(iteration)
            gradient += np.float32(schedule.regularization) * rounding.regularizer_slope(rounding.up(alpha), beta)
        gradient *= rounding.up_slope(alpha)
        first += np.float32(1 - _FIRST) * (gradient - first)
        second += np.float32(1 - _SECOND) * (gradient * gradient - second)
        rate = schedule.learning_rate * np.sqrt(1 - _SECOND ** (iteration + 1)) / (1 - _FIRST ** (iteration + 1))
        alpha -= np.float32(rate) * first / (np.sqrt(second) + np.float32(_EPSILON))
    return alpha


def _by_products(rows: Rows) -> _Slope:
    """The derivative over all rows: 2 (X'X w - X'(y - b)) / n."""
    count = len(rows.inputs)
    wanted = rows.targets - rows.bias
    if rows.inputs.ndim == 2:
        square = (rows.inputs.T @ rows.inputs) * np.float32(2 / count)
        linear = (rows.inputs.T @ wanted) * np.float32(2 / count)
        return lambda weights, iteration: square @ weights - linear
    square = np.einsum("nct,ncs->cts", rows.inputs, rows.inputs) * np.float32(2 / count)
    linear = np.einsum("nct,nc->ct", rows.inputs, wanted) * np.float32(2 / count)
    return lambda weights, iteration: np.matmul(square, weights[:, :, None])[:, :, 0] - linear


def _by_batches(rows: Rows, schedule: Schedule, seed: int) -> _Slope:
    """The derivative over a batch of rows, another one in each iteration; all of them where they are no more."""
    count = len(rows.inputs)
    batch = min(schedule.batch, count)
    random = np.random.RandomState(seed)
    order: Optional[np.ndarray] = None
    low, high = ACTIVATIONS[rows.activation]
    wanted = activated(rows.targets, rows.activation)

    def slope(weights: np.ndarray, iteration: int) -> np.ndarray:
        nonlocal order
        chosen: Any = slice(None)
        if batch < count:
            at = iteration % (count // batch)
            if at == 0 or order is None:
                order = random.permutation(count)
            chosen = order[at * batch:(at + 1) * batch]
        inputs = rows.inputs[chosen]
        found = outputs(inputs, weights) + rows.bias
        inside = (found > low) & (found < high)
        difference = (activated(found, rows.activation) - wanted[chosen]) * inside * np.float32(2 / batch)
        if inputs.ndim == 2:
            return inputs.T @ difference
        return np.asarray(np.einsum("nct,nc->ct", inputs, difference))

    return slope
