"""Equalization as AIMET 1.19.1 does it: another float function, for those who need its numbers.

Every ReLU6 of the network becomes a ReLU. Convolutions in a row, with nothing between them but ReLUs, padding and
Identity ops, and one reader each, are a group; from the left two convolutions are a pair, and two with a depthwise
between them a triple. Each set is scaled once, from the weights as they then are; then biases are absorbed, pair by
pair, where a batch norm was folded into the first layer (borders that are padded with zeros are ignored). All in
float32. (AIMET's `equalize_model`.) Where a group begins with a depthwise, AIMET stops; here it is left out.
"""

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.folding.fold import BATCH_NORMS, Folded
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.repair.equalization import kernels, layers, rescaling, scales, spaces
from quant_accuracy.repair.equalization.layers import Layer
from quant_accuracy.repair.equalization.spaces import Left, Spaces

_CONVOLUTION, _DEPTHWISE = "Conv2D", "DepthwiseConv2dNative"
_PASSED = (_CONVOLUTION, _DEPTHWISE, "BiasAdd", "Relu", "Pad", "Identity")


class Norm(NamedTuple):
    """float32 [channels], deviation and mean of each output channel of a layer, as its batch norm had them."""

    gamma: np.ndarray
    beta: np.ndarray


@dataclass(frozen=True)
class Set:
    """Layers that are scaled together.

    Attributes:
        layers: Two convolutions, or two and the depthwise between them, by op name.
        rectified: For each of them but the last whether a ReLU is right behind it.
        factors: For each of them but the last float32 [channels], what its output channels are divided by.
        absorbed: Likewise, what its bias gave to the next one's; zeros where nothing was absorbed.
    """

    layers: Tuple[str, ...]
    rectified: Tuple[bool, ...]
    factors: Tuple[np.ndarray, ...] = ()
    absorbed: Tuple[np.ndarray, ...] = ()


class Equalized(NamedTuple):
    """A network as AIMET equalizes it.

    Attributes:
        graph: Its graph.
        sets: What was scaled, and how.
        left: The depthwise layers whose group begins with them, at which AIMET stops.
        replaced: The ReLU6 ops that are ReLUs now.
    """

    graph: tf.GraphDef
    sets: Sequence[Set]
    left: Sequence[Left]
    replaced: Sequence[str]


def norms(graph: tf.GraphDef, folded: Sequence[Folded]) -> Dict[str, Norm]:
    """Gamma and beta of the fused batch norms that were folded, by the layer that took them.

    Args:
        graph: The float graph from before folding.
        folded: What was folded.
    """
    nodes = graph_nodes.by_name(graph)
    return {item.convolution: Norm(*(graph_nodes.constant(nodes, source)
                                     for source in nodes[item.batch_norm].input[1:3]))
            for item in folded if item.batch_norm in nodes and nodes[item.batch_norm].op in BATCH_NORMS}


def equalize(network: Network, statistics: Mapping[str, Norm]) -> Equalized:
    """Scale each set of a folded network once, and absorb high biases.

    Args:
        network: The network, batch norms folded.
        statistics: As `norms` gives them.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    replaced = [node.name for node in network.ops() if node.op == spaces.RELU6]
    network = replace(network, graph=rescaling.unclip(network.graph, replaced))
    found = spaces.find(network)
    sets, left = _sets(network, found)
    values = _Values(network.graph, found)
    scaled = [values.scale(item) for item in sets]
    done = [values.absorb(item, statistics) for item in scaled]
    return Equalized(layers.with_constants(network.graph, values.constants), done, left, replaced)


def _sets(network: Network, found: Spaces) -> Tuple[List[Set], List[Left]]:
    """The sets of a network, and where AIMET stops."""
    following = _following(network, found)
    behind = set(following.values())
    sets: List[Set] = []
    left: List[Left] = []
    for name in found.layers:
        if name in behind or name not in following:
            continue
        group = [name]
        while group[-1] in following:
            group.append(following[group[-1]])
        if found.layers[group[0]].type == _DEPTHWISE:
            left.append(Left(group[0], f"the group that ends with {group[-1]!r} begins with it, at which AIMET 1.19.1 "
                                       "stops"))
            continue
        sets += _of_group(group, network, found)
    return sets, left


def _following(network: Network, found: Spaces) -> Dict[str, str]:
    """The convolution behind each one from which AIMET's chain goes on."""
    nodes, uses = network.nodes(), graph_nodes.uses(network.graph.node)
    following: Dict[str, str] = {}
    for space in found.spaces:
        ends = [*space.writers, *space.readers]
        if len(space.writers) == len(space.readers) == 1 \
                and all(found.layers[name].type in (_CONVOLUTION, _DEPTHWISE) for name in ends) \
                and all(nodes[name].op in _PASSED and len(uses[name + ":0"]) == 1 for name in space.tensors):
            following[space.writers[0]] = space.readers[0]
    return following


def _of_group(group: Sequence[str], network: Network, found: Spaces) -> List[Set]:
    nodes, uses = network.nodes(), graph_nodes.uses(network.graph.node)

    def rectified(name: str) -> bool:
        (use,) = uses[found.layers[name].output + ":0"]
        return bool(nodes[use.node.name].op == "Relu")

    sets: List[Set] = []
    first = 0
    while first < len(group) - 1:
        last = first + 1
        if found.layers[group[last]].type == _DEPTHWISE:
            last += 1
        if last < len(group):
            members = group[first:last + 1]
            sets.append(Set(tuple(members), tuple(map(rectified, members[:-1]))))
        first = last
    return sets


class _Values:
    """Kernels and biases while they are changed; `constants` holds them by the Const that they are from."""

    def __init__(self, graph: tf.GraphDef, found: Spaces) -> None:
        self._layers = found.layers
        self.constants: Dict[str, np.ndarray] = layers.biases(graph, found.layers)
        self.constants.update((layer.constant, layer.kernel) for layer in found.layers.values())

    def scale(self, item: Set) -> Set:
        """Scale a set; returns it with its factors."""
        members = [self._layers[name] for name in item.layers]
        seen = [kernels.ranges(self.constants[layer.constant], layer.axes.outputs) for layer in members[:-1]]
        seen.append(kernels.ranges(self.constants[members[-1].constant], members[-1].axes.inputs))
        factors = (scales.of_pair(*seen),) if len(seen) == 2 else scales.of_triple(*seen)
        for number, factor in enumerate(factors):
            self._multiply(members[number], members[number].axes.outputs, 1 / factor)
            self._multiply(members[number + 1], members[number + 1].axes.inputs, factor)
            bias = members[number].bias
            if bias is not None:
                self.constants[bias] = self.constants[bias] * (1 / factor)
        return replace(item, factors=tuple(factors))

    def _multiply(self, layer: Layer, axes: Tuple[int, ...], factors: np.ndarray) -> None:
        self.constants[layer.constant] = kernels.scaled(self.constants[layer.constant], axes, factors)

    def absorb(self, item: Set, statistics: Mapping[str, Norm]) -> Set:
        """Absorb what is high in the biases of a scaled set; returns it with what was absorbed."""
        absorbed = []
        for number, factor in enumerate(item.factors):
            first, last = (self._layers[name] for name in item.layers[number:number + 2])
            moved = np.zeros_like(factor)
            if first.op in statistics and first.bias is not None and last.bias is not None:
                norm = statistics[first.op]
                moved = scales.absorbed(norm.gamma / factor, norm.beta / factor, item.rectified[number])
                self.constants[first.bias] = self.constants[first.bias] - moved
                self.constants[last.bias] = self.constants[last.bias] + kernels.summed(
                    self.constants[last.constant], last.axes, moved)
            absorbed.append(moved)
        return replace(item, absorbed=tuple(absorbed))
