"""What quantized weights shift a layer's output by, channel by channel, and a bias that takes it back.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and appendix C
for the means of clipped normal channels, appendix D for the correction from images. Sums are taken in float64, biases
are float32.
"""

import math
from typing import Callable, Mapping, Optional

import numpy as np

# What ops do to a channel, by their type.
_LARGEST: Mapping[str, float] = {"Relu": math.inf, "Relu6": 6.0}
CLIPS = tuple(_LARGEST)
_NARROWEST = 1e-30


def corrected(bias: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The bias that takes a shift back: float32 [channels], of float [channels] each."""
    return (bias.astype(np.float64) - shift).astype(np.float32)


def clipped_mean(mean: np.ndarray, deviation: np.ndarray, clip: Optional[str]) -> np.ndarray:
    """The means of normal channels behind a ReLU or ReLU6, float64 [channels] (appendix C).

    Args:
        mean: [channels] before the clip.
        deviation: [channels] standard deviations before the clip; the sign does not matter, 0 is a constant channel.
        clip: `Relu`, `Relu6`, or None for neither.
    """
    mean, deviation = mean.astype(np.float64), np.abs(deviation.astype(np.float64))
    if clip is None:
        return mean
    largest = _LARGEST[clip]
    # A constant channel is the limit of a narrow one: no density at the ends, and all of it on one side of each.
    width = np.maximum(deviation, _NARROWEST)
    low, high = -mean / width, (largest - mean) / width
    above = 0.0 if math.isinf(largest) else largest * (1 - _normal(high))
    return np.asarray(mean * (_normal(high) - _normal(low)) + deviation * (_density(low) - _density(high)) + above)


def analytical_shift(weights: np.ndarray, quantized: np.ndarray, means: np.ndarray, depthwise: bool) -> np.ndarray:
    """What quantized weights shift each output channel by, float64 [output channels] (equation 17).

    Borders that are padded with zeros count as if the image went on.

    Args:
        weights: float32 [..., inputs, outputs]; of a depthwise convolution [height, width, channels, multiplier].
        quantized: The same on their grid.
        means: [inputs] means of the input channels.
        depthwise: Whether each input channel has outputs of its own.
    """
    error = quantized.astype(np.float64) - weights
    summed = error.sum(axis=tuple(range(error.ndim - 2)))
    if depthwise:
        return np.asarray((summed * means[:, np.newaxis]).reshape(-1))
    return np.asarray(means @ summed)


def _normal(values: np.ndarray) -> np.ndarray:
    """The standard normal distribution up to some values."""
    erf: Callable[[np.ndarray], np.ndarray] = np.vectorize(math.erf, otypes=[np.float64])
    return 0.5 * (1 + erf(values / math.sqrt(2)))


def _density(values: np.ndarray) -> np.ndarray:
    # From 40 on the density is below the least float64; squares of infinite ends are none of its business.
    return np.exp(-0.5 * np.minimum(np.abs(values), 40.0) ** 2) / math.sqrt(2 * math.pi)
