"""How much noise each quantizer brings into the network's outputs, alone and among the others.

Noise is measured against the float network as the ratio of squared sums, noise to signal, for each output of the
network on its own, because boxes and scores have different units; of several outputs the mean counts. The search for
culprits needs no more of this than an order, so images are only looked at until the order is stable.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from quant_accuracy.base import progress
from quant_accuracy.base.budget import Budget
from quant_accuracy.base.errors import StorageError
from quant_accuracy.quantization import owners
from quant_accuracy.why import noise
from quant_accuracy.why.noise import Listener, Noise, QuantizedGraph

# The order is stable when the first few are the same after each of the last few images.
_TOP, _UNCHANGED = 4, 3

# Where the noise of an image, given by its position, is kept.
NoiseFile = Callable[[int], Path]


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
class Together:
    """What a group of quantizers does, as `Sensitivity` has it of a single one."""

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
        wanted: Number of images that there were for it.
        stable: Whether the first few kept their order while the last few images came; then no more of them were needed.
            Where it is false and `images` is less than `wanted`, time ran out.
    """

    quantizers: Sequence[Sensitivity]
    outputs: Sequence[str]
    all_on: Optional[float]
    images: int
    wanted: int
    stable: bool


def measure(listener: Listener, images: Sequence[np.ndarray], path_of: NoiseFile,
            budget: Optional[Budget] = None) -> Sensitivities:
    """Measure every quantizer that is on, image by image, until more images change nothing at the top of the list.

    The noise of each image is kept as soon as it is whole: an interrupted measurement goes on with the next image.

    Args:
        listener: Measures the network.
        images: uint8 [1, height, width, 3] each.
        path_of: Where the noise of each image is kept.
        budget: No image is begun that it does not allow, except the first; None sets no limit.

    Raises:
        StorageError: The noise of an image cannot be written.
    """
    network = listener.network
    if not network.measured():
        return Sensitivities([], network.names.output_ops, None, 0, len(images), False)
    found: List[Noise] = []
    orders: List[Sequence[str]] = []
    for noise_of_image in _noise(listener, noise.singles(network), images, path_of, budget):
        found.append(noise_of_image)
        ranked = summarize(network, noise.add(found), len(found), len(images))
        orders.append([item.tensor for item in ranked.quantizers[:_TOP]])
        if len(orders) > _UNCHANGED and all(order == orders[-1] for order in orders[-1 - _UNCHANGED:]):
            return replace(ranked, stable=True)
    return ranked


def of_groups(listener: Listener, groups: Sequence[Sequence[str]], images: Sequence[np.ndarray], path_of: NoiseFile,
              budget: Optional[Budget] = None) -> List[Together]:
    """What the quantizers on some tensors do together, for each group; see `measure`.

    Raises:
        StorageError: The noise of an image cannot be written.
    """
    total = noise.add(list(_noise(listener, groups, images, path_of, budget)))
    return [Together(_decibels(only_on), _decibels(only_off), float(blame)) for only_on, only_off, blame in
            zip(*_effects(total)[1:])]


def _noise(listener: Listener, groups: Sequence[Sequence[str]], images: Sequence[np.ndarray], path_of: NoiseFile,
           budget: Optional[Budget]) -> Iterator[Noise]:
    """The noise of one image after the other: that of the first, and of as many more as the budget allows."""
    runs = noise.runs(groups)
    kept = [_kept(listener.network, len(groups), path_of(index)) for index in range(len(images))]
    with progress.counter(kept.count(None) * runs, "runs", "why: ranking") as counter:
        for index, (image, found) in enumerate(zip(images, kept)):
            if found is None:
                if index and budget is not None and not budget.allows(listener.seconds * runs):
                    return
                found = listener.measure(image, groups, counter.update)
                noise.save(path_of(index), found)
            yield found


def _kept(network: QuantizedGraph, groups: int, path: Path) -> Optional[Noise]:
    if path.is_file():
        try:
            return noise.load(path, len(network.measured()), groups)
        except StorageError as error:
            progress.say(f"warning: {error}")
    return None


def summarize(network: QuantizedGraph, total: Noise, images: int, wanted: int) -> Sensitivities:
    """From squared sums over some images to what each quantizer does, most harmful first."""
    all_on, only_on, only_off, blame = _effects(total)
    own = _ratio(total.own[:, 1], total.own[:, 0])
    layers = owners.of_quantizers(network.graph, network.measured())
    found = [Sensitivity(quantizer.tensor, layers[quantizer.tensor].name, quantizer.kind, quantizer.bitwidth,
                         _decibels(own[index]), _decibels(only_on[index]), _decibels(only_off[index]),
                         float(blame[index]))
             for index, quantizer in enumerate(network.measured())]
    return Sensitivities(sorted(found, key=lambda item: -item.blame), network.names.output_ops, _decibels(all_on),
                         images, wanted, False)


class _Effects(NamedTuple):
    """Ratios of noise to signal: of all quantizers, and [g] of each group alone on, alone off, and to blame for."""

    all_on: float
    only_on: np.ndarray
    only_off: np.ndarray
    blame: np.ndarray


def _effects(total: Noise) -> _Effects:
    all_on, only_on, only_off = (_ratio(values, total.signal).mean(axis=-1)
                                 for values in (total.all_on, total.only_on, total.only_off))
    return _Effects(all_on, only_on, only_off, (only_on + all_on - only_off) / 2)


def _ratio(values: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """Noise by signal; of a tensor that is all zero, any noise is as much as there can be."""
    return np.where(values == 0, 0.0, values / np.where(signal == 0, np.finfo(np.float64).tiny, signal))


def _decibels(ratio: float) -> Optional[float]:
    return None if ratio == 0 else -10.0 * math.log10(ratio)
