"""Even out the ranges of neighbouring layers of a folded network.

A channel that is divided by its factor where it is written, and multiplied by it where it is read, leaves the network
the function that it is, but for a ReLU6 between, which clips at 6 whatever the channel's factor. So there are three
ways:

- `CLIP` clips each channel at 6 divided by its factor: the same function for every image, but the ReLU6 becomes a ReLU
  and a minimum.
- `KEEP` has factors that leave the clip out of play: channels that come near to 6 stay as they are, the others stay
  below it. The ReLU6 stays; the function is the same as long as no channel grows by more than `HEADROOM` beyond what it
  has on the calibration images.
- `REPLACE` is AIMET's: a ReLU, which never clips, and another function where channels were above 6. See `aimet`.
"""

from dataclasses import dataclass, replace
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import Override
from quant_accuracy.repair.equalization import activations, exact, rescaling, spaces
from quant_accuracy.repair.equalization.exact import Bounds
from quant_accuracy.repair.equalization.spaces import Left, Space, Spaces

CLIP, KEEP, REPLACE = "clip", "keep", "replace"
HEADROOM = 0.25
_SIX = 6.0
# Ops behind which a quantizer does not stand, since the op that reads their output is computed with them.
_WITH_NEXT = ("BiasAdd", "Relu", "Relu6", "Identity", "Minimum")


@dataclass(frozen=True)
class Equalized:
    """A network whose ranges are evened out.

    Attributes:
        graph: Its graph.
        factors: float32 [channels] of each space, in the order of `spaces`.
        spaces: What was scaled.
        left: The layers whose output channels stay as they are, and why.
        sweeps: How often each space had its turn.
        moved: The largest relative change of a factor in the last sweep.
        overrides: Quantizers to switch off: those of the ReLUs that have become part of a clip.
    """

    graph: tf.GraphDef
    factors: Sequence[np.ndarray]
    spaces: Sequence[Space]
    left: Sequence[Left]
    sweeps: int
    moved: float
    overrides: Tuple[Override, ...]


def equalize(network: Network, image_input: str, batches: Iterable[Batch], relu6: str = CLIP,
             headroom: float = HEADROOM, acts: bool = True, powers: bool = False, boxes: bool = True) -> Equalized:
    """Even out all spaces of a folded network, its float function kept.

    Args:
        network: The network, batch norms folded.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: Calibration images, as for `quantization.calibrate`.
        relu6: `CLIP` or `KEEP`.
        headroom: Of `KEEP`: by how much a channel may grow beyond the calibration images, relative.

    Raises:
        GraphError: A named op is missing or not connected.
        DataError: There are no calibration images, or an activation is no number on them.
    """
    found = spaces.find(network)
    seen = _observe(network.graph, found, image_input, batches)
    if acts:
      bounds = [_bounds(space, seen[0], seen[1], relu6 == KEEP, headroom) for space in found.spaces]
    else:
      bounds = [_bounds(space, {}, seen[1], relu6 == KEEP, headroom) for space in found.spaces]
    by_layer = _by_layer(found)
    solution = exact.solve([exact.kernel(layer.kernel, layer.axes, *by_layer[name])
                            for name, layer in found.layers.items()], bounds)
    factors = solution.factors
    if powers:
        factors = [np.exp2(np.rint(np.log2(f))) for f in factors]
    graph = rescaling.rescale(network.graph, found, factors)
    overrides: Tuple[Override, ...] = ()
    if relu6 == CLIP:
        graph, rectified = rescaling.clip(graph, rescaling.clips(found.spaces, factors))
        overrides = tuple(Override(f"{name}:0", enabled=False) for name in rectified)
    return Equalized(graph, [f.astype(np.float32) for f in factors], found.spaces, found.left, solution.sweeps,
                     solution.moved, overrides)


def _by_layer(found: Spaces) -> Dict[str, List]:
    result = {name: [None, None] for name in found.layers}
    for number, space in enumerate(found.spaces):
        for name in space.readers:
            result[name][0] = number
        for name in space.writers:
            result[name][1] = number
    return result


def _observe(graph, found: Spaces, image_input, batches):
    """Largest values of activations behind which quantizers stand, and what ReLU6 ops take."""
    nodes = graph_nodes.by_name(graph)
    uses = graph_nodes.uses(graph.node)
    wanted: Dict[str, int] = {}
    clipped = {}
    for space in found.spaces:
        for name in space.tensors:
            if any(use.node.op not in _WITH_NEXT for use in uses.get(name + ":0", ())):
                wanted[name] = space.channels
        for name in space.relu6:
            clipped[name] = graph_nodes.op_of(nodes[name].input[0])
            wanted[clipped[name]] = space.channels
    ranges = activations.observe(graph, wanted, image_input, batches)
    outer = {name: np.abs(ranges[name]).max(axis=0) for name in wanted if name not in clipped.values()}
    return outer, {name: np.maximum(ranges[source][1], 0) for name, source in clipped.items()}


def _bounds(space: Space, outer, clipped, keep, headroom) -> Bounds:
    acts = [outer[name].astype(np.float64) for name in space.tensors if name in outer]
    lower, fixed = np.zeros(space.channels), np.zeros(space.channels, bool)
    if keep:
        for name in space.relu6:
            reach = clipped[name] * (1 + headroom)
            fixed |= reach >= _SIX
            lower = np.maximum(lower, reach / _SIX)
    return Bounds(acts, lower, fixed)
