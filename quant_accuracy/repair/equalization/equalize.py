"""Even out the ranges of neighbouring layers of a folded network, its float function kept.

A channel that is divided by its factor where it is written, and multiplied by it where it is read, leaves the network
the function that it is, but for a ReLU6 between, which clips at 6 whatever the channel's factor. Two ways out:

- `CLIP` clips each channel at 6 divided by its factor: the same function for every image, but a ReLU6 becomes a ReLU
  and a minimum.
- `KEEP` takes factors that leave the clip out of play: channels that come near to 6 stay as they are, the others stay
  below it. The ReLU6 stays; the function is the same as long as no channel grows by more than the headroom beyond what
  it has on the calibration images, which `verification.difference` has to show on other images.

(The third, `REPLACE`, to replace ReLU6 by ReLU whatever that does, is AIMET's: see `aimet`.)
"""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import CLIP, KEEP
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import Override
from quant_accuracy.repair.equalization import absorption, activations, exact, rescaling, spaces, verification
from quant_accuracy.repair.equalization.exact import Bounds, Solution
from quant_accuracy.repair.equalization.spaces import Left, Space, Spaces

HEADROOM = 0.25
_SIX = 6.0
# Ops that are computed together with what gives them their input, so that no quantizer stands between.
_WITH_BEFORE = ("BiasAdd", "Relu", spaces.RELU6, "Identity", spaces.MINIMUM)


@dataclass(frozen=True)
class Equalized:
    """A network whose ranges are evened out.

    Attributes:
        graph: Its graph; names of tensors are those of before.
        spaces: What was scaled.
        factors: float64 [channels] of each space.
        absorbed: float64 [channels] by the number of the space, what moved from the bias before it into those behind.
        left: The layers whose output channels stay as they are, and why.
        sweeps: How often each space had its turn.
        moved: The largest relative change of a factor in the last sweep; above `exact.STILL` it has not converged.
        overrides: Quantizers that have to be off: those of the ReLUs that are a part of a clip.
        difference: Of the outputs on the calibration images, as `verification.difference`.
    """

    graph: tf.GraphDef
    spaces: Sequence[Space]
    factors: Sequence[np.ndarray]
    absorbed: Mapping[int, np.ndarray]
    left: Sequence[Left]
    sweeps: int
    moved: float
    overrides: Tuple[Override, ...]
    difference: float


def equalize(network: Network, image_input: str, batches: Sequence[Batch], relu6: str = CLIP,
             headroom: float = HEADROOM) -> Equalized:
    """Even out all spaces of a folded network, its float function kept.

    Args:
        network: The network, batch norms folded.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: Calibration images, as for `quantization.calibrate`.
        relu6: `CLIP` or `KEEP`.
        headroom: Of `KEEP`: by how much a channel may grow beyond the calibration images, relative.

    Raises:
        ConfigurationError: `relu6` is neither.
        GraphError: A named op is missing or not connected.
        DataError: There are no calibration images, or an activation is no number on them.
    """
    if relu6 not in (CLIP, KEEP):
        raise ConfigurationError(f"relu6: {relu6!r} is no way to equalize; give {CLIP} or {KEEP}")
    found = spaces.find(network)
    seen = _observe(network.graph, found, image_input, batches)
    solution = _solve(found, [_bounds(space, seen, headroom if relu6 == KEEP else None) for space in found.spaces])
    absorbed = {number: values / solution.factors[number] for number, values in seen.middles.items()}
    graph = absorption.absorb(rescaling.rescale(network.graph, found, solution.factors), found, absorbed)
    overrides: Tuple[Override, ...] = ()
    if relu6 == CLIP:
        graph, rectified = rescaling.clip(graph, rescaling.clips(found.spaces, solution.factors))
        overrides = tuple(Override(f"{name}:0", enabled=False) for name in rectified)
    difference = verification.difference(network.graph, graph, network.outputs, image_input, batches)
    return Equalized(graph, found.spaces, solution.factors, absorbed, found.left, solution.sweeps, solution.moved,
                     overrides, difference)


@dataclass(frozen=True)
class _Seen:
    """What calibration images show of each channel.

    Attributes:
        activations: The largest absolute values of the tensors that a quantizer may stand behind, by op; without their
            middles where those are absorbed.
        clipped: The largest values that each ReLU6 takes, by its name.
        middles: The middles between smallest and largest values, by the number of each space that absorbs them.
    """

    activations: Mapping[str, np.ndarray]
    clipped: Mapping[str, np.ndarray]
    middles: Mapping[int, np.ndarray]


def _observe(graph: tf.GraphDef, found: Spaces, image_input: str, batches: Sequence[Batch]) -> _Seen:
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    wanted: Dict[str, int] = {}
    taken: Dict[str, str] = {}
    for space in found.spaces:
        taken.update((name, graph_nodes.op_of(nodes[name].input[0])) for name in space.relu6)
        for name in space.tensors:
            if any(use.node.op not in _WITH_BEFORE for use in uses.get(name + ":0", ())):
                wanted[name] = space.channels
    channels = {name: space.channels for space in found.spaces for name in space.relu6}
    ranges = activations.observe(graph, {**wanted, **{taken[name]: count for name, count in channels.items()}},
                                 image_input, batches)
    ranges = {name: values.astype(np.float64) for name, values in ranges.items()}
    largest = {name: np.abs(values).max(axis=0) for name, values in ranges.items()}
    middles: Dict[int, np.ndarray] = {}
    for number, space in enumerate(found.spaces):
        ends = [name for name in space.tensors if name in wanted]
        if len(ends) == 1 and absorption.absorbs(space, found, nodes):
            low, high = ranges[ends[0]]
            middles[number], largest[ends[0]] = (low + high) / 2, (high - low) / 2
    return _Seen({name: largest[name] for name in wanted},
                 {name: np.maximum(ranges[source][1], 0) for name, source in taken.items()}, middles)


def _bounds(space: Space, seen: _Seen, headroom: Optional[float]) -> Bounds:
    """What the factors of a space have to keep to; with a headroom they leave its clips out of play."""
    lower, fixed = np.zeros(space.channels), np.zeros(space.channels, bool)
    if headroom is not None:
        for name in space.relu6:
            reach = seen.clipped[name] * (1 + headroom)
            fixed |= reach >= _SIX
            lower = np.maximum(lower, reach / _SIX)
    return Bounds([seen.activations[name] for name in space.tensors if name in seen.activations], lower, fixed)


def _solve(found: Spaces, bounds: Sequence[Bounds]) -> Solution:
    read = {name: number for number, space in enumerate(found.spaces) for name in space.readers}
    written = {name: number for number, space in enumerate(found.spaces) for name in space.writers}
    layers: List[exact.Kernel] = [exact.kernel(layer.kernel, layer.axes, read.get(name), written.get(name))
                                  for name, layer in found.layers.items()]
    return exact.solve(layers, bounds)
