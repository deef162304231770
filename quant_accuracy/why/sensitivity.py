"""How much noise each quantizer brings into the network's outputs, alone and among the others.

Noise is measured against the float network as the ratio of squared sums, noise to signal, for each output of the
network on its own, because boxes and scores have different units; of several outputs the mean counts.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

import numpy as np

from quant_accuracy import progress
from quant_accuracy.errors import StorageError
from quant_accuracy.why import noise
from quant_accuracy.why.noise import Network, Noise

# Where the noise of an image, given by its position, is kept.
Place = Callable[[int], Path]


@dataclass(frozen=True)
class Sensitivity:
    """What one quantizer does; signal-to-quantization-noise ratios (SQNR) in dB, None where there is no noise at all.

    Attributes:
        tensor: The tensor that it quantizes.
        layer: The op that gives an activation, without its BiasAdd, or that takes a param: folding gives biases names
            that say nothing.
        kind: `param` or `activation`.
        bitwidth: Number of bits.
        sqnr: Of its own tensor: a weight, or an activation of the float network.
        only_on: Of the network's outputs when it alone is on.
        only_off: Of the network's outputs when it alone is off.
        blame: The noise that it adds as the first quantizer and as the last one, half of both: the two extreme terms
            of its Shapley value. A ratio of noise to signal, not in dB.
    """

    tensor: str
    layer: str
    kind: str
    bitwidth: int
    sqnr: Optional[float]
    only_on: Optional[float]
    only_off: Optional[float]
    blame: float


@dataclass(frozen=True)
class Sensitivities:
    """All quantizers that are on, most harmful first.

    Attributes:
        quantizers: The quantizers.
        outputs: The network's outputs.
        all_on: SQNR of the network's outputs with all of them on, in dB; None where there is no noise at all.
        images: Number of images that they were measured on.
        wanted: Number of images that should have been: more than `images` when time ran out.
    """

    quantizers: Sequence[Sensitivity]
    outputs: Sequence[str]
    all_on: Optional[float]
    images: int
    wanted: int


def measure(network: Network, images: Sequence[np.ndarray], place: Place, deadline: float = math.inf) -> Sensitivities:
    """Measure every quantizer that is on.

    The noise of each image is kept as soon as it is whole: an interrupted measurement goes on with the next image.

    Args:
        network: What is measured.
        images: uint8 [1, height, width, 3] each.
        place: Where the noise of each image is kept.
        deadline: On the clock of `time.monotonic`; no image is begun after it, except the first.

    Raises:
        StorageError: The noise of an image cannot be written.
    """
    if not network.measured():
        return Sensitivities([], network.names.output_ops, None, 0, len(images))
    found = _kept(network, len(images), place)
    missing = [index for index in range(len(images)) if index not in found]
    if missing and (not found or time.monotonic() < deadline):
        with noise.open_meter(network) as meter, \
                progress.counter(len(missing) * noise.runs(network), "runs", "why: each quantizer") as counter:
            for index in missing:
                if found and time.monotonic() >= deadline:
                    break
                found[index] = meter(images[index], counter.update)
                noise.save(place(index), found[index])
    return summarize(network, noise.add([found[index] for index in sorted(found)]), len(found), len(images))


def _kept(network: Network, images: int, place: Place) -> Dict[int, Noise]:
    found: Dict[int, Noise] = {}
    for index in range(images):
        if place(index).is_file():
            try:
                found[index] = noise.load(place(index), len(network.measured()))
            except StorageError as error:
                progress.say(f"warning: {error}")
    return found


def summarize(network: Network, total: Noise, images: int, wanted: int) -> Sensitivities:
    """From squared sums over some images to what each quantizer does, most harmful first."""
    all_on, only_on, only_off = (_ratio(values, total.signal).mean(axis=-1)
                                 for values in (total.all_on, total.only_on, total.only_off))
    own = _ratio(total.own[:, 1], total.own[:, 0])
    blame = (only_on + all_on - only_off) / 2
    layers = noise.layers(network)
    found = [Sensitivity(quantizer.tensor, layers[quantizer.tensor], quantizer.kind, quantizer.bitwidth,
                         _decibels(own[index]), _decibels(only_on[index]), _decibels(only_off[index]),
                         float(blame[index]))
             for index, quantizer in enumerate(network.measured())]
    return Sensitivities(sorted(found, key=lambda item: -item.blame), network.names.output_ops, _decibels(all_on),
                         images, wanted)


def _ratio(values: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """Noise by signal; of a tensor that is all zero, any noise is as much as there can be."""
    return np.where(values == 0, 0.0, values / np.where(signal == 0, np.finfo(np.float64).tiny, signal))


def _decibels(ratio: float) -> Optional[float]:
    return None if ratio == 0 else -10.0 * math.log10(ratio)
