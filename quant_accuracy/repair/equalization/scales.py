"""Factors that even out the ranges of neighbouring layers, and the part of a bias that moves on. Plain numpy.

The first layer's output channel is divided by the factor, the next one's input channel multiplied by it. (Nagel et al.
2019, section 4.1: s = sqrt(r1 r2) / r2; for a depthwise between two layers s12 = r1 / c, s23 = c / r3 with
c = (r1 r2 r3)^(1/3), as AIMET 1.19.1 has it; section 4.2 for absorption.) float32 stays float32, in AIMET's order.
"""

from typing import Tuple

import numpy as np


def of_pair(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The factor of each channel between two layers; 1 for a channel without weights in one of them.

    Args:
        first: [channels], ranges of the first layer's output channels.
        last: [channels], ranges of the last layer's input channels.
    """
    root = np.sqrt(first * last)
    alive = root > 0
    return np.where(alive, first * (1 / np.where(alive, root, 1)).astype(first.dtype), 1).astype(first.dtype)


def of_triple(first: np.ndarray, middle: np.ndarray, last: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """The factors between first and middle layer, and between middle and last; 1 for a channel without weights.

    Args:
        first: [channels], ranges of the first layer's output channels.
        middle: [channels], ranges of the depthwise layer's channels.
        last: [channels], ranges of the last layer's input channels.
    """
    root = np.power(first * middle * last, np.float32(1 / 3)).astype(first.dtype)
    alive = root > 0
    safe = np.where(alive, root, 1).astype(first.dtype)
    before = np.where(alive, first * (1 / safe), 1).astype(first.dtype)
    behind = np.where(alive, safe * (1 / np.where(alive, last, 1)), 1).astype(first.dtype)
    return before, behind


def absorbed(gamma: np.ndarray, beta: np.ndarray, rectified: bool) -> np.ndarray:
    """[channels], what AIMET moves from the bias of a layer into that of the next.

    Args:
        gamma: Of the batch norm that was folded into the first layer, divided by that layer's factors: the deviation.
        beta: Likewise, the mean.
        rectified: Whether a ReLU follows: then what is left of three deviations below the mean; else all of the mean.
    """
    if not rectified:
        return np.asarray(beta)
    return np.asarray(np.maximum(0, beta - 3 * np.abs(gamma)).astype(beta.dtype))
