"""Kernels by channel: their ranges, and kernels whose channels are scaled. Plain numpy.

A channel is a number on the axes that `Axes` names; of a depthwise kernel [height, width, channels, multiplier] output
channels are channels x multiplier.
"""

from typing import Dict, NamedTuple, Tuple

import numpy as np


class Axes(NamedTuple):
    """The axes of a kernel that hold its output channels, and those that hold its input channels."""

    outputs: Tuple[int, ...]
    inputs: Tuple[int, ...]


CONVOLUTION = Axes((3,), (2,))
DEPTHWISE = Axes((2, 3), (2,))
TRANSPOSED = Axes((2,), (3,))
DENSE = Axes((1,), (0,))
DENSE_TRANSPOSED = Axes((0,), (1,))
BY_OP: Dict[str, Axes] = {"Conv2D": CONVOLUTION, "DepthwiseConv2dNative": DEPTHWISE,
                          "Conv2DBackpropInput": TRANSPOSED, "MatMul": DENSE}


def ranges(kernel: np.ndarray, axes: Tuple[int, ...]) -> np.ndarray:
    """[channels], the largest absolute value of each channel."""
    others = tuple(axis for axis in range(kernel.ndim) if axis not in axes)
    return np.asarray(np.abs(kernel).max(axis=others).reshape(-1))


def scaled(kernel: np.ndarray, axes: Tuple[int, ...], factors: np.ndarray) -> np.ndarray:
    """The kernel with each channel multiplied by its factor."""
    sides = [side if axis in axes else 1 for axis, side in enumerate(kernel.shape)]
    return np.asarray(kernel * factors.reshape(sides))


def magnitudes(kernel: np.ndarray, axes: Axes) -> np.ndarray:
    """[inputs, outputs], the largest absolute value between two channels; of a depthwise kernel [channels, multiplier].

    All that ranges by channel are made of, whatever the channels are scaled by.
    """
    first, last = axes.inputs[0], axes.outputs[-1]
    others = tuple(axis for axis in range(kernel.ndim) if axis not in (first, last))
    found = np.abs(kernel).max(axis=others)
    return np.asarray(found if first < last else found.T)


def summed(kernel: np.ndarray, axes: Axes, values: np.ndarray) -> np.ndarray:
    """[outputs], what a constant input, one value for each input channel, adds to each output; borders apart."""
    channels = (*axes.inputs, *axes.outputs)
    window = kernel.sum(axis=tuple(axis for axis in range(kernel.ndim) if axis not in channels), keepdims=True)
    others = tuple(axis for axis in range(kernel.ndim) if axis not in axes.outputs)
    # The window first, as AIMET has it: what it leaves rounds otherwise than the whole.
    return np.asarray(scaled(window, axes.inputs, values).sum(axis=others).reshape(-1))
