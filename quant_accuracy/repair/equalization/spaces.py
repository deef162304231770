"""Channels that layers share, so that they can be scaled together and the network stays the function that it is.

Between layers stand ops that treat each channel by itself and commute with a positive factor: ReLUs, pooling, padding
with zeros, sums of two tensors. All tensors that such ops link are one space: its channels are divided by factors in
every layer that writes them, and multiplied by them in every layer that reads them. A pair is a space with one writer
and one reader, a depthwise triple two spaces, and a residual connection, or a feature map that several layers read, is
a space as well. Clips (the 6 of a ReLU6) and biases are divided too.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, NamedTuple, Set, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import control_flow
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.repair.equalization.layers import Layer, Reader

# Ops that commute with a positive factor for each channel, all their activations scaled alike.
_PASSING = ("Relu", "LeakyRelu", "Identity", "Pad", "MaxPool", "MaxPoolV2", "AvgPool", "Add", "AddV2", "AddN", "Sub",
            "Neg", "Abs", "Maximum", "StopGradient", "Snapshot", "CheckNumerics", "SpaceToBatchND", "BatchToSpaceND",
            "ResizeBilinear", "ResizeNearestNeighbor", "Mean", "Squeeze")
_BINARY = ("Add", "AddV2", "Sub")
# Ops that look at a tensor's shape only.
_SHAPES = ("Shape", "ShapeN", "Size", "Rank")
RELU6, MINIMUM, ADDING = "Relu6", "Minimum", ("BiasAdd", "Add", "AddV2")


@dataclass(frozen=True)
class Space:
    """Channels that layers share.

    Attributes:
        channels: How many.
        writers: The layers, by op name, whose output channels they are.
        readers: The layers whose input channels they are.
        relu6: The ReLU6 ops, which clip each channel at 6.
        constants: The Consts with one value for each channel that is added, or at which is clipped.
        tensors: The ops whose outputs they are the channels of, in the network's order.
        linear: Whether nothing but sums and Identity ops is in it.
    """

    channels: int
    writers: Tuple[str, ...]
    readers: Tuple[str, ...]
    relu6: Tuple[str, ...]
    constants: Tuple[str, ...]
    tensors: Tuple[str, ...]
    linear: bool


class Left(NamedTuple):
    """A layer whose output channels are not equalized with those behind it, and why."""

    layer: str
    reason: str


@dataclass(frozen=True)
class Spaces:
    """The spaces of a network.

    Attributes:
        layers: The layers by op name, in the network's order.
        spaces: In the network's order.
        left: The layers whose output is in none, with the reason.
    """

    layers: Mapping[str, Layer]
    spaces: Tuple[Space, ...]
    left: Tuple[Left, ...]


def find(network: Network) -> Spaces:
    """The spaces of a folded network.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    finder = _Finder(network)
    for node in network.ops():
        finder.meet(node)
    return finder.found()


def before_layers(network: Network) -> Set[str]:
    """The ops that layers of a network need; one that is not among them has no layer behind to be equalized with.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes, inside = network.nodes(), network.inside()

    def sources(name: str) -> List[str]:
        return [source for source in map(graph_nodes.op_of, graph_nodes.data_inputs(nodes[name])) if source in inside]

    layers = [name for name in inside if nodes[name].op in graph_nodes.LINEAR]
    return graph_nodes.reach({source for name in layers for source in sources(name)}, sources)


@dataclass
class _Parts:
    """A space while it is gathered."""

    tensors: List[str] = field(default_factory=list)
    writers: List[str] = field(default_factory=list)
    readers: List[str] = field(default_factory=list)
    relu6: List[str] = field(default_factory=list)
    constants: List[str] = field(default_factory=list)
    open: str = ""
    linear: bool = True

    def close_to(self, reason: str) -> None:
        self.open = self.open or reason

    def take(self, other: "_Parts") -> None:
        for name in ("tensors", "writers", "readers", "relu6", "constants"):
            getattr(self, name).extend(getattr(other, name))
        self.open, self.linear = self.open or other.open, self.linear and other.linear


class _Finder:
    """Gathers spaces while the ops of a network are met in its order."""

    def __init__(self, network: Network) -> None:
        self._nodes, self._inside = network.nodes(), network.inside()
        self._uses = graph_nodes.uses(network.graph.node)
        self._outputs, self._held = set(network.outputs), control_flow.inside(self._nodes)
        self._reader = Reader(self._nodes, self._uses)
        self._of: Dict[str, _Parts] = {}
        self._layers: Dict[str, Union[Layer, str]] = {}
        for start in network.starts:
            self._space(start).close_to(f"it is joined with what the starting op {start!r} gives")

    def _space(self, op: str) -> _Parts:
        if op not in self._of:
            self._of[op] = _Parts([op])
            if op in self._outputs:
                self._of[op].close_to(f"{op!r} gives an output of the network")
            if op in self._held:
                self._of[op].close_to(f"{op!r} is in a loop or in a branch")
            outside = [use.node for use in self._uses.get(op + ":0", ())
                       if use.node.name not in self._inside and use.node.op not in _SHAPES]
            if outside:
                self._of[op].close_to(f"{outside[0].op} {outside[0].name!r} outside of the network reads it")
        return self._of[op]

    def _union(self, first: str, second: str) -> None:
        one, other = self._space(first), self._space(second)
        if one is not other:
            one.take(other)
            self._of.update((name, one) for name in other.tensors)

    def meet(self, node: tf.NodeDef) -> None:
        """Add an op of the network."""
        sources = [source for source in graph_nodes.data_inputs(node) if graph_nodes.op_of(source) in self._inside]
        before = [graph_nodes.op_of(source) for source in sources]
        # The weights of an op, or a shape.
        space = self._space(node.name)
        if node.op in graph_nodes.LINEAR:
            self._meet_layer(node, before)
        elif node.op in _SHAPES:
            space.close_to("it is a shape")
        elif all(source in (name, name + ":0") for source, name in zip(sources, before)) and self._passes(node):
            for name in before:
                self._union(name, node.name)
        else:
            for name in before:
                self._space(name).close_to(f"{node.op} {node.name!r} reads it")
            space.close_to(f"it is joined with what {node.op} {node.name!r} gives")

    def _meet_layer(self, node: tf.NodeDef, before: List[str]) -> None:
        layer = self._reader.read(node)
        activation = graph_nodes.op_of(node.input[2 if node.op == "Conv2DBackpropInput" else 0])
        self._layers[node.name] = layer
        if isinstance(layer, str):
            for name in before:
                self._space(name).close_to(f"{node.op} {node.name!r} reads it, and {layer}")
            self._space(node.name).close_to(layer)
            return
        self._space(activation).readers.append(node.name)
        if activation not in self._inside:
            self._space(activation).close_to(f"{activation!r} lies outside of the network")
        self._space(node.name).writers.append(node.name)

    def _passes(self, node: tf.NodeDef) -> bool:
        """Whether an op keeps channels apart and commutes with their factors; notes what has to be scaled for that."""
        space = self._space(node.name)
        if "data_format" in node.attr and node.attr["data_format"].s not in (b"", b"NHWC"):
            return False
        if "T" in node.attr and node.attr["T"].type != tf.float32.as_datatype_enum:
            return False
        constants = [source for source in graph_nodes.data_inputs(node)
                     if graph_nodes.op_of(source) not in self._inside]
        if node.op == RELU6:
            space.relu6.append(node.name)
            space.linear = False
            return True
        if (node.op in ADDING and len(constants) == 1) or node.op == MINIMUM:
            return len(constants) == 1 and self._constant(space, constants[0], node)
        if node.op == "Mul":
            return len(constants) == 1 and graph_nodes.is_constant(self._nodes, constants[0])
        if node.op not in _PASSING or (node.op in (*_BINARY, "AddN", "Maximum", "Neg", "Abs") and constants):
            return False
        space.linear = space.linear and node.op in ("Identity", *_BINARY, "AddN")
        if node.op == "Mean":
            return graph_nodes.constant(self._nodes, node.input[1]).tolist() in ([1, 2], [2, 1])
        if node.op == "Squeeze":
            return set(node.attr["squeeze_dims"].list.i) in ({1}, {2}, {1, 2})
        if node.op == "Pad":
            paddings = graph_nodes.constant(self._nodes, node.input[1])
            return not paddings[-1].any()
        return True

    def _constant(self, space: _Parts, reference: str, node: tf.NodeDef) -> bool:
        """Note a constant that has a value for each channel; a BiasAdd is one, whatever it holds."""
        constant = self._reader.own_constant(reference)
        if constant is None or graph_nodes.constant(self._nodes, reference).ndim != 1:
            return False
        space.constants.append(constant)
        space.linear = space.linear and node.op in ADDING
        return True

    def found(self) -> Spaces:
        """The spaces of all ops that were met."""
        layers = {name: layer for name, layer in self._layers.items() if not isinstance(layer, str)}
        spaces: List[Space] = []
        left: List[Left] = []
        seen: Set[int] = set()
        for name in self._layers:
            parts = self._of[name]
            reason = parts.open or self._unfit(parts, layers)
            if reason:
                left.append(Left(name, reason))
            elif id(parts) not in seen:
                seen.add(id(parts))
                spaces.append(Space(layers[name].outputs, tuple(parts.writers), tuple(parts.readers),
                                    tuple(parts.relu6), tuple(parts.constants), tuple(parts.tensors), parts.linear))
        return Spaces(layers, tuple(spaces), tuple(left))

    def _unfit(self, parts: _Parts, layers: Mapping[str, Layer]) -> str:
        if not parts.readers:
            return "no layer reads it"
        sizes = {layers[name].outputs for name in parts.writers} | {layers[name].inputs for name in parts.readers} \
            | {int(np.size(graph_nodes.constant(self._nodes, name))) for name in parts.constants}
        if len(sizes) != 1:
            return f"its layers have different numbers of channels ({', '.join(map(str, sorted(sizes)))})"
        return ""
