"""What a layer takes in one graph and should give by another, at some positions of calibration images."""

from typing import Iterator, NamedTuple, Tuple

import numpy as np

from quant_accuracy.base.errors import DataError
from quant_accuracy.repair.adaround.layers import DENSE, DEPTHWISE, Layer
from quant_accuracy.repair.adaround.optimizing import Rows


class Pair(NamedTuple):
    """A layer's input in the quantized network and its output in the float one, of some images."""

    input: np.ndarray
    output: np.ndarray


def observe(layer: Layer, pairs: Iterator[Pair], bias: np.ndarray, channels: int, kernel: Tuple[int, int],
            positions: int, seed: int) -> Rows:
    """The rows of a layer, at random positions of each image.

    Args:
        layer: The layer.
        pairs: What it takes and should give, batch by batch.
        bias: Its bias, float32 [outputs].
        channels: How many outputs it has.
        kernel: Rows and columns of its kernel.
        positions: The most rows of an image.
        seed: Of the positions.

    Raises:
        DataError: There are no images, or what the layer takes or gives is NaN or infinite.
    """
    inputs, targets = [], []
    random = np.random.RandomState(seed)
    for pair in pairs:
        if not (np.isfinite(pair.input).all() and np.isfinite(pair.output).all()):
            raise DataError(f"what {layer.name} takes or gives is NaN or infinite on the calibration images; a weight "
                            "or a batch norm before it makes it so: train or export the checkpoint again")
        taken, given = _rows(layer, pair, kernel, positions, random)
        inputs.append(taken)
        targets.append(given)
    if not inputs:
        raise DataError("there are no calibration images; raise --calibration-images or give more shards")
    taken = np.concatenate(inputs)
    if layer.kind == DEPTHWISE:
        taken = np.repeat(taken, channels // taken.shape[1], axis=1)
    return Rows(np.ascontiguousarray(taken), np.concatenate(targets), bias, layer.activation)


def _rows(layer: Layer, pair: Pair, kernel: Tuple[int, int], positions: int,
          random: np.random.RandomState) -> Tuple[np.ndarray, np.ndarray]:
    if layer.kind == DENSE:
        chosen = _chosen(len(pair.input), positions, random)
        return pair.input[chosen], pair.output[chosen]
    batch, height, width, outputs = pair.output.shape
    at = np.concatenate([image * height * width + _chosen(height * width, positions, random)
                         for image in range(batch)])
    taken = patches(pair.input, at, (height, width), kernel, layer)
    if layer.kind == DEPTHWISE:
        return np.ascontiguousarray(taken.transpose(0, 2, 1)), pair.output.reshape(-1, outputs)[at]
    return taken.reshape(len(at), -1), pair.output.reshape(-1, outputs)[at]


def _chosen(count: int, most: int, random: np.random.RandomState) -> np.ndarray:
    return np.arange(count) if count <= most else np.sort(random.choice(count, most, replace=False))


def patches(values: np.ndarray, at: np.ndarray, size: Tuple[int, int], kernel: Tuple[int, int],
            layer: Layer) -> np.ndarray:
    """What a convolution's kernel lies on; [positions, kernel rows x columns, channels], zeros beyond the edge.

    Args:
        values: float32 [batch, height, width, channels].
        at: Positions in the output, counted through images, rows and columns.
        size: Height and width of the output.
        kernel: Rows and columns of the kernel.
        layer: Strides, dilations and padding.
    """
    image, rest = np.divmod(at, size[0] * size[1])
    axes = []
    for axis, position in enumerate(np.divmod(rest, size[1])):
        side, step, spread = values.shape[1 + axis], layer.strides[axis], layer.dilations[axis]
        covered = (size[axis] - 1) * step + (kernel[axis] - 1) * spread + 1
        before = max(0, covered - side) // 2 if layer.padding == "SAME" else 0
        axes.append(position[:, None] * step - before + spread * np.arange(kernel[axis]))
    rows, columns = axes[0][:, :, None], axes[1][:, None, :]
    inside = (rows >= 0) & (rows < values.shape[1]) & (columns >= 0) & (columns < values.shape[2])
    found = values[image[:, None, None], np.clip(rows, 0, values.shape[1] - 1),
                   np.clip(columns, 0, values.shape[2] - 1)]
    found[~inside] = 0
    return found.reshape(len(at), kernel[0] * kernel[1], values.shape[3])
