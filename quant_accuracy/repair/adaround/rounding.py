"""The formulas of AdaRound: from weights to variables and back, the regularizer and its schedule.

Section 3.2 of the paper (equations 21 to 24), with AIMET's constants. Every weight is rounded down, and up by what a
variable alpha says: softly, by h(alpha) between 0 and 1, while it is trained; in the end by 0 or by 1.
"""

import math
from dataclasses import dataclass
from typing import Optional, Sequence

import numpy as np

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.records import Encoding

# The sigmoid is stretched to gamma .. zeta and cut at 0 and 1, so that it reaches both.
ZETA, GAMMA = 1.1, -0.1


@dataclass(frozen=True)
class Grid:
    """The grid of a weight tensor: values are `scale * (q + offset)` for q in 0 .. largest.

    Attributes:
        scale: float32, that broadcasts to the weights: one step, or one for each channel.
        offset: float32 of the same shape.
        largest: The largest q.
    """

    scale: np.ndarray
    offset: np.ndarray
    largest: int

    @classmethod
    def of(cls, encodings: Sequence[Encoding], axis: Optional[int], rank: int) -> "Grid":
        """The grid of some encodings.

        Args:
            encodings: One, or one for each element of an axis.
            axis: That axis; None for one encoding.
            rank: How many axes the weights have.
        """
        shape = [1] * rank
        if axis is not None:
            shape[axis] = len(encodings)
        scale = np.array([encoding.scale for encoding in encodings], np.float32).reshape(shape)
        offset = np.array([encoding.offset for encoding in encodings], np.float32).reshape(shape)
        return cls(scale, offset, 2 ** encodings[0].bitwidth - 1)


@dataclass(frozen=True)
class Schedule:
    """How the rounding of a layer is trained.

    Attributes:
        iterations: Steps of Adam.
        regularization: Weight of the regularizer.
        first_beta: The regularizer's exponent when it sets in: the larger, the freer are roundings near the middle.
        last_beta: Its exponent at the end.
        warm_start: The part of the iterations without the regularizer.
        learning_rate: Of Adam. AIMET trains 10000 iterations at 0.001; ten times the rate takes a tenth of them.
        batch: Rows of a layer's input in an iteration, where an activation function follows the layer.
    """

    iterations: int = 1000
    regularization: float = 0.01
    first_beta: float = 20.0
    last_beta: float = 2.0
    warm_start: float = 0.2
    learning_rate: float = 0.01
    batch: int = 512

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.batch < 1 or not 0.0 <= self.warm_start < 1.0:
            raise ConfigurationError(f"AdaRound cannot train {self.iterations} iterations on batches of {self.batch} "
                                     f"with a warm start of {self.warm_start}; give at least one iteration, one row "
                                     "and a warm start from 0 to below 1")

    def beta(self, iteration: int) -> float:
        """The regularizer's exponent, which falls along half a cosine (AIMET's; the paper does not say)."""
        warm = self.warm_start * self.iterations
        part = (iteration - warm) / (self.iterations - warm)
        return self.last_beta + (self.first_beta - self.last_beta) / 2 * (1 + math.cos(math.pi * part))

    def regularizes(self, iteration: int) -> bool:
        """Whether the warm start is over."""
        return iteration >= self.warm_start * self.iterations


def initial_alpha(weights: np.ndarray, grid: Grid) -> np.ndarray:
    """The variables with which soft rounding gives the weights themselves; float32, of the weights' shape."""
    steps = weights / grid.scale
    fraction = steps - np.floor(steps)
    return -np.log((ZETA - GAMMA) / (fraction - GAMMA) - 1).astype(np.float32)


def up(alpha: np.ndarray) -> np.ndarray:
    """h(alpha), the part of a step by which a weight is softly rounded up: the rectified sigmoid."""
    return np.clip(sigmoid(alpha) * np.float32(ZETA - GAMMA) + np.float32(GAMMA), 0, 1)


def sigmoid(alpha: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-alpha), which may overflow to 0 and to nothing else."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-alpha))


def up_slope(alpha: np.ndarray) -> np.ndarray:
    """The derivative of h, zero where it is cut."""
    value = sigmoid(alpha)
    stretched = value * np.float32(ZETA - GAMMA) + np.float32(GAMMA)
    inside = (stretched > 0) & (stretched < 1)
    return inside * (np.float32(ZETA - GAMMA) * value * (1 - value))


def rounded(weights: np.ndarray, grid: Grid, alpha: np.ndarray, hard: bool) -> np.ndarray:
    """The rounded weights, float32: softly by h(alpha), or hard, up where alpha is above 0."""
    part = (alpha > 0).astype(np.float32) if hard else up(alpha)
    steps = np.clip(np.floor(weights / grid.scale) + part - grid.offset, 0, grid.largest)
    return ((steps + grid.offset) * grid.scale).astype(np.float32)


def on_grid(weights: np.ndarray, grid: Grid) -> np.ndarray:
    """Where rounding changes a weight at all: elsewhere both neighbours are beyond the same end of the grid."""
    down = np.floor(weights / grid.scale) - grid.offset
    return (down >= 0) & (down < grid.largest)


def regularizer(alpha: np.ndarray, beta: float) -> float:
    """The sum of 1 - |2 h(alpha) - 1|^beta: zero where every weight is rounded by 0 or by 1 (equation 24)."""
    return float(np.sum(1 - np.abs(2 * up(alpha) - 1) ** np.float32(beta)))


def regularizer_gradient(alpha: np.ndarray, beta: float) -> np.ndarray:
    """The derivative of the regularizer by alpha."""
    return regularizer_slope(up(alpha), beta) * up_slope(alpha)


def regularizer_slope(part: np.ndarray, beta: float) -> np.ndarray:
    """The derivative of the regularizer by h."""
    away = 2 * part - 1
    return np.float32(-2 * beta) * np.sign(away) * np.abs(away) ** np.float32(beta - 1)


def reconstruction_loss(found: np.ndarray, wanted: np.ndarray) -> float:
    """The squared error, summed over channels (the last axis) and averaged over all else (equation 25)."""
    return float(np.mean(np.sum(np.square(found - wanted), axis=-1)))
