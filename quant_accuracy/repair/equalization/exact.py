"""The factors of all spaces together, iterated until nothing moves. Plain numpy, in float64.

What writes a channel is divided by its factor: kernels of the layers that write it, and activations. What reads it is
multiplied by it. Each tensor is compared by the share that a channel has of its largest value, since that is how a
quantizer with one range for all channels sees it. A step takes s = sqrt(before / behind), the largest share of what
writes the channel over that of what reads it, which with one writer and one reader is the factor of Nagel et al. 2019
(section 4.1) up to one number for all channels, without effect on any quantizer. Spaces share layers, so a step in one
moves its neighbours: they take turns until no factor moves, and where that ends does not depend on how the network was
scaled before.
"""

from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from quant_accuracy.repair.equalization import kernels
from quant_accuracy.repair.equalization.kernels import DEPTHWISE, Axes

SWEEPS, STILL = 1000, 1e-6
# A channel that nearly nothing reads would be divided away, and float32 has no place for it.
_LARGEST = 2.0 ** 20


class Bounds(NamedTuple):
    """What the factors of a space have to keep to.

    Attributes:
        activations: Largest absolute values of each channel, one array [channels] for each tensor that is quantized.
        lower: [channels], the smallest factors; zero where any will do.
        fixed: bool [channels], the channels that stay as they are.
    """

    activations: Sequence[np.ndarray]
    lower: np.ndarray
    fixed: np.ndarray


@dataclass(frozen=True)
class Kernel:
    """What factors need to know of a layer.

    Attributes:
        magnitudes: As `kernels.magnitudes`.
        axes: Where its channels are.
        inputs: The space that it reads, by number; None for none.
        outputs: The space that it writes.
    """

    magnitudes: np.ndarray
    axes: Axes
    inputs: Optional[int]
    outputs: Optional[int]


class Solution(NamedTuple):
    """Factors, and how they were found.

    Attributes:
        factors: float64 [channels] for each space.
        sweeps: How often each space had its turn.
        moved: The largest relative change in the last sweep; `STILL` or less once it has converged.
    """

    factors: List[np.ndarray]
    sweeps: int
    moved: float


def solve(layers: Sequence[Kernel], bounds: Sequence[Bounds], sweeps: int = SWEEPS) -> Solution:
    """The factors that even out all spaces of a network.

    Args:
        layers: Its layers.
        bounds: Of each space, by number.
        sweeps: After so many it ends, converged or not.
    """
    factors = [np.ones(len(space.lower)) for space in bounds]
    writers: Dict[int, List[Kernel]] = {}
    readers: Dict[int, List[Kernel]] = {}
    for layer in layers:
        if layer.outputs is not None:
            writers.setdefault(layer.outputs, []).append(layer)
        if layer.inputs is not None:
            readers.setdefault(layer.inputs, []).append(layer)
    moved, done = 0.0, 0
    while done < sweeps and (not done or moved > STILL):
        moved, done = 0.0, done + 1
        for number, space in enumerate(bounds):
            factor = factors[number]
            new = _step(factor, space, [_written(layer, factors) for layer in writers.get(number, ())],
                        [_read(layer, factors) for layer in readers.get(number, ())])
            moved = max(moved, float(np.abs(new / factor - 1).max()))
            factors[number] = new
    return Solution(factors, done, moved)


def _step(factor: np.ndarray, space: Bounds, written: Sequence[np.ndarray],
          read: Sequence[np.ndarray]) -> np.ndarray:
    before = _shares([*written, *(values / factor for values in space.activations)])
    behind = _shares(read)
    alive = (before > 0) & (behind > 0) & ~space.fixed
    step = np.sqrt(np.where(alive, before, 1) / np.where(alive, behind, 1))
    return np.where(space.fixed, factor, np.clip(np.maximum(factor * step, space.lower), 1 / _LARGEST, _LARGEST))


def _shares(tensors: Sequence[np.ndarray]) -> np.ndarray:
    """[channels], the largest share that a channel has of the range of one of the tensors."""
    return np.asarray(np.max([values / (values.max() or 1) for values in tensors], axis=0))


def _scaled(layer: Kernel, factors: Sequence[np.ndarray]) -> np.ndarray:
    """Magnitudes as the factors leave them."""
    values = layer.magnitudes
    if layer.inputs is not None:
        values = values * factors[layer.inputs][:, np.newaxis]
    if layer.outputs is not None:
        values = values / factors[layer.outputs].reshape(values.shape if layer.axes == DEPTHWISE else (1, -1))
    return np.asarray(values)


def _written(layer: Kernel, factors: Sequence[np.ndarray]) -> np.ndarray:
    """The ranges of a layer's output channels."""
    values = _scaled(layer, factors)
    return values.reshape(-1) if layer.axes == DEPTHWISE else np.asarray(values.max(axis=0))


def _read(layer: Kernel, factors: Sequence[np.ndarray]) -> np.ndarray:
    """The ranges of a layer's input channels."""
    return np.asarray(_scaled(layer, factors).max(axis=1))


def kernel(values: np.ndarray, axes: Axes, inputs: Optional[int], outputs: Optional[int]) -> Kernel:
    """What factors need to know of a layer with such a kernel."""
    return Kernel(kernels.magnitudes(values.astype(np.float64), axes), axes, inputs, outputs)
