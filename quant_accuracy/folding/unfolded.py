"""What folding has left in a network, looked for without the patterns that folding goes by.

A batch norm, however it is written, is an op with parameters of its own: it scales each channel by another number. In
a network that is folded, parameters belong to convolutions and dense ops. So an op is named here that

- has a type of a batch norm;
- takes as many numbers as a convolution or dense op before it has output channels, and does more with them than add
  them; between the two are only ops that add numbers or arrange values, so that the scale could be part of the weights;
- takes numbers that were computed as reciprocals of roots, one for each channel, as is done with variances;
- scales by what was computed from a mean over the images of a batch.

A scale that was learned and stands behind something else (an L2 normalization, the slopes of a PReLU), a number that
is the same for all channels, and products of two activations are none of these. What the numbers are is computed by
TensorFlow itself.
"""

from typing import AbstractSet, List, Mapping, NamedTuple, Optional, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import computed
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

_ADDING = ("Add", "AddV2", "AddN", "BiasAdd", "BiasAddV1", "Sub")
_ARRANGING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "BatchToSpaceND", "SpaceToBatchND", "StopGradient",
              "Snapshot", "EnsureShape", "CheckNumerics", "PreventGradient", "Transpose")
_ROOTS = ("Rsqrt", "Sqrt")
_PRODUCTS = ("Mul", "RealDiv", "Div", "Reciprocal", "Inv", "Neg")


class Unfolded(NamedTuple):
    """An op that is or may be a batch norm.

    Attributes:
        op: The op that scales.
        reason: What was seen, in words.
    """

    op: str
    reason: str


def find(network: Network) -> List[Unfolded]:
    """The ops of a network that are or may be batch norms, in the network's order.

    Args:
        network: The network, in a frozen graph, batch norms folded.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes, ops, inside = network.nodes(), network.ops(), network.inside()
    suspects = [node for node in ops if _may_scale(node)]
    wanted = [source for node in suspects for source in _fixed(node, nodes, inside)]
    # Of the convolutions, too: what they are given may be computed as well.
    linear = [node for node in ops if node.op in graph_nodes.LINEAR]
    weights = [node.input[graph_nodes.LINEAR[node.op]] for node in linear]
    known = computed.values(network.graph, [source for source in [*wanted, *weights]
                                            if graph_nodes.op_of(source) not in inside])
    channels = {node.name: _channels(node, known.get(source)) for node, source in zip(linear, weights)}
    found = (_seen(node, nodes, inside, known, channels) for node in suspects)
    return [Unfolded(node.name, reason) for node, reason in zip(suspects, found) if reason]


def _may_scale(node: tf.NodeDef) -> bool:
    return node.op not in graph_nodes.LINEAR and node.op not in _ADDING and node.op not in _ARRANGING \
        and node.op not in _ROOTS


def _seen(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef], inside: AbstractSet[str], known: Mapping[str, np.ndarray],
          channels: Mapping[str, int]) -> str:
    """What speaks for a batch norm; empty where nothing does."""
    if "BatchNorm" in node.op:
        return f"it is a {node.op}"
    numbers = {source: known[source] for source in _fixed(node, nodes, inside) if source in known}
    for source, values in numbers.items():
        before = _linear_before(node, nodes, inside, values.size, channels)
        if values.size > 1 and values.dtype.kind == "f" and before:
            return f"this {node.op} scales the {values.size} output channels of {before!r}, and could be part of its " \
                   "weights; no rule of folding knows its form"
        if values.ndim and values.dtype.kind == "f" and _is_root(nodes, source):
            return f"this {node.op} scales {values.size} channels by reciprocals of roots; no rule of folding knows " \
                   "its form"
    if node.op in ("Mul", "RealDiv", "Div") and _over_batch(node, nodes, inside):
        return "it takes its statistics from the batch; export the checkpoint for inference, not in training mode"
    return ""


def _fixed(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef], inside: AbstractSet[str]) -> List[str]:
    """What an op of the network takes from outside of it."""
    return [source for source in node.input if not source.startswith("^") and graph_nodes.op_of(source) not in inside]


def _channels(node: tf.NodeDef, weights: Optional[np.ndarray]) -> int:
    if weights is None or weights.ndim < 2:
        return 0
    if node.op.startswith("DepthwiseConv"):
        return int(weights.shape[2] * weights.shape[3])
    if node.op == "Conv2DBackpropInput":
        return int(weights.shape[2])
    transposed = any(name in node.attr and node.attr[name].b for name in ("transpose_b", "adj_y"))
    return int(weights.shape[-2 if transposed else -1])


def _linear_before(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef], inside: AbstractSet[str], size: int,
                   channels: Mapping[str, int]) -> str:
    """The convolution or dense op of so many channels whose output an op takes, but for numbers that were added."""
    seen: Set[str] = set()
    waiting = [source for source in node.input if graph_nodes.op_of(source) in inside]
    while waiting:
        before = nodes[graph_nodes.op_of(waiting.pop())]
        if before.name in seen:
            continue
        seen.add(before.name)
        if before.name in channels:
            if channels[before.name] == size:
                return str(before.name)
        elif before.op in _ARRANGING:
            waiting.append(before.input[0])
        elif before.op in (*_ADDING, "Mul", "RealDiv", "Div"):
            # Two activations that are added or multiplied are no longer the output of one of them.
            inner = [source for source in before.input if graph_nodes.op_of(source) in inside]
            waiting += inner if len(inner) == 1 else []
    return ""


def _is_root(nodes: Mapping[str, tf.NodeDef], reference: str) -> bool:
    """Whether a root is a factor of a product."""
    waiting = [reference]
    for _ in range(16):
        if not waiting:
            return False
        node = nodes[graph_nodes.op_of(waiting.pop())]
        if node.op in _ROOTS:
            return True
        if node.op in (*_PRODUCTS, *_ARRANGING):
            waiting += list(node.input)
    return False


def _over_batch(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef], inside: AbstractSet[str]) -> bool:
    """Whether something that an op takes is a root of a mean over images, and something else is an activation."""
    roots = [_batch_roots(nodes, source, inside) for source in node.input[:2]]
    return any(roots) and not all(roots) and not any(
        _is_mean(nodes, source) for source, root in zip(node.input, roots) if not root) and all(
        graph_nodes.op_of(source) in inside for source in node.input[:2])


def _batch_roots(nodes: Mapping[str, tf.NodeDef], reference: str, inside: AbstractSet[str]) -> bool:
    waiting = [reference]
    for _ in range(8):
        if not waiting:
            return False
        node = nodes[graph_nodes.op_of(waiting.pop())]
        if node.op in _ROOTS:
            return any(_is_mean(nodes, source) for source in node.input)
        if node.op in (*_PRODUCTS, "Identity"):
            waiting += [source for source in node.input if graph_nodes.op_of(source) in inside]
    return False


def _is_mean(nodes: Mapping[str, tf.NodeDef], reference: str) -> bool:
    """Whether a tensor is, but for a number that is added, a mean over axis 0."""
    waiting = [reference]
    for _ in range(16):
        if not waiting:
            return False
        node = nodes[graph_nodes.op_of(waiting.pop())]
        if node.op == "Mean":
            return graph_nodes.is_constant(nodes, node.input[1]) \
                and bool((graph_nodes.constant(nodes, node.input[1]) == 0).any())
        if node.op in (*_ARRANGING, "Merge", "Switch", "Add", "AddV2", "Maximum"):
            waiting += list(node.input)
    return False
