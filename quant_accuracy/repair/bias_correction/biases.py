"""Layers and their biases in a graph: found, added where there are none, given other values."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

DEPTHWISE = "DepthwiseConv2dNative"
_LAYERS = ("Conv2D", DEPTHWISE, "MatMul")
# As folding names those that it makes.
_NEW_BIAS = "bias_value"


@dataclass(frozen=True)
class Left:
    """An op that multiplies, whose bias stays as it is, and why."""

    layer: str
    reason: str


@dataclass(frozen=True)
class Layer:
    """A convolution or dense op with constant weights, and its bias.

    Attributes:
        name: The op.
        weights: The tensor of its weights.
        output: The BiasAdd behind it.
        bias: The Const that holds its bias, and that nothing else reads.
    """

    name: str
    weights: str
    output: str
    bias: str


class Layers(NamedTuple):
    """The layers of a network.

    Attributes:
        graph: The graph in which every bias is a constant of its own.
        found: Its layers with a bias, in the order in which the network runs.
        left: Its layers without, and why.
    """

    graph: tf.GraphDef
    found: Sequence[Layer]
    left: Sequence[Left]


def find(network: Network) -> Layers:
    """The layers of a network and their biases.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes, uses = network.nodes(), graph_nodes.uses(network.graph.node)
    adds: Dict[str, tf.NodeDef] = {}
    left: List[Left] = []
    for node in network.ops():
        if node.op in graph_nodes.LINEAR:
            found = _bias_add(node, nodes, uses)
            if isinstance(found, str):
                left.append(Left(node.name, found))
            else:
                adds[node.name] = found
    graph = _with_own_biases(network.graph, list(adds.values()))
    nodes = graph_nodes.by_name(graph)
    layers = [Layer(name, graph_nodes.tensor_of(nodes[name].input[1]), node.name,
                    graph_nodes.constant_node(nodes, nodes[node.name].input[1]).name) for name, node in adds.items()]
    return Layers(graph, layers, left)


def _with_own_biases(graph: tf.GraphDef, adds: Sequence[tf.NodeDef]) -> tf.GraphDef:
    """The graph in which each BiasAdd has a constant that nothing else reads."""
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    taken = {name.lower() for name in nodes}
    copies: Dict[str, tf.NodeDef] = {}
    for add in adds:
        reader = nodes[graph_nodes.op_of(add.input[1])]
        while reader.op == "Identity" and len(uses[reader.name + ":0"]) == 1:
            reader = nodes[graph_nodes.op_of(reader.input[0])]
        if reader.op != "Const" or len(uses[reader.name + ":0"]) > 1:
            name = graph_nodes.fresh_name(taken, f"{add.name}/bias")
            taken.add(name.lower())
            copies[add.name] = graph_nodes.const_node(name, graph_nodes.constant(nodes, add.input[1]))
    if not copies:
        return graph
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in copies:
            node.input[1] = copies[node.name].name
    result.node.extend(copies.values())
    return result


def _bias_add(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef],
              uses: Mapping[str, Sequence[graph_nodes.Use]]) -> Union[tf.NodeDef, str]:
    """The BiasAdd behind a layer, or why its bias cannot be changed."""
    if node.op not in _LAYERS:
        return f"{node.op} is not corrected"
    if not graph_nodes.is_constant(nodes, node.input[1]):
        return "its weights are computed when the network runs"
    readers = [use.node for use in uses.get(node.name + ":0", ())]
    if len(readers) != 1 or readers[0].op != "BiasAdd":
        return "it has no bias"
    add = readers[0]
    if not graph_nodes.is_constant(nodes, add.input[1]):
        return f"its bias in {add.name!r} is computed when the network runs"
    if "data_format" in add.attr and add.attr["data_format"].s not in (b"", b"NHWC"):
        return f"the data format of {add.name!r} is {add.attr['data_format'].s.decode()}, not NHWC"
    return add


def add_biases(network: Network) -> Layers:
    """Give a zero bias to each layer that has none; quantizers are to be placed on the new graph.

    A layer that gives an output of the network keeps its name and gets none.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes, uses = network.nodes(), graph_nodes.uses(network.graph.node)
    taken = {name.lower() for name in nodes}
    behind: Dict[str, str] = {}
    new: Dict[str, List[tf.NodeDef]] = {}
    for node in network.ops():
        readers = [use.node.op for use in uses.get(node.name + ":0", ())]
        if node.op not in _LAYERS or readers == ["BiasAdd"] or node.name in network.outputs \
                or not graph_nodes.is_constant(nodes, node.input[1]) \
                or ("data_format" in node.attr and node.attr["data_format"].s not in (b"", b"NHWC")):
            continue
        bias = graph_nodes.fresh_name(taken, _NEW_BIAS)
        output = graph_nodes.fresh_name({*taken, bias.lower()}, _NEW_BIAS)
        taken |= {bias.lower(), output.lower()}
        values = np.zeros(_channels(node, graph_nodes.constant(nodes, node.input[1])), np.float32)
        new[node.name] = [graph_nodes.const_node(bias, values),
                          graph_nodes.float_node(output, "BiasAdd", [node.name, bias])]
        behind[node.name + ":0"] = output
    result = tf.GraphDef(versions=network.graph.versions)
    for node in network.graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        for position, reference in enumerate(copy.input):
            if not reference.startswith("^"):
                copy.input[position] = behind.get(graph_nodes.tensor_of(reference), reference)
        result.node.extend(new.get(node.name, ()))
    return find(Network(result, network.starts, network.outputs))


def _channels(node: tf.NodeDef, weights: np.ndarray) -> int:
    if node.op == DEPTHWISE:
        return int(weights.shape[2] * weights.shape[3])
    return int(weights.shape[0 if transposed(node) else -1])


def transposed(node: tf.NodeDef) -> bool:
    """Whether a dense op has its outputs first in its weights."""
    # To ask a node for an attribute that it does not have would give it one.
    return "transpose_b" in node.attr and bool(node.attr["transpose_b"].b)


def with_values(graph: tf.GraphDef, values: Mapping[str, np.ndarray]) -> tf.GraphDef:
    """The graph with other values in some of its constants, by name; shapes stay."""
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in values:
            node.CopyFrom(graph_nodes.const_node(node.name, values[node.name]))
    return result
