"""Fold inference batch norms into the convolutions before them.

    w' = w * gamma / sqrt(variance + epsilon)        b' = beta + (b - mean) * gamma / sqrt(variance + epsilon)

(Ioffe and Szegedy 2015, the inference form.) New bias tensors are named as AIMET names them: `bias_value` and
`bias_value_1` for the first pair, `bias_value_2` and `bias_value_3` for the next, in the network's order.
"""

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

_BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


@dataclass(frozen=True)
class Folded:
    """A batch norm that was folded.

    Attributes:
        convolution: The convolution op whose weights took the scale.
        batch_norm: The batch-norm op that is gone.
        output: The BiasAdd op that stands in its place.
    """

    convolution: str
    batch_norm: str
    output: str


@dataclass(frozen=True)
class LeftOut:
    """A batch norm that stays in the graph, and why."""

    batch_norm: str
    reason: str


class FoldResult(NamedTuple):
    """A graph with its batch norms folded, and the record of what was done."""

    graph: tf.GraphDef
    folded: Sequence[Folded]
    left_out: Sequence[LeftOut]


def find_batch_norms(graph: tf.GraphDef, start: str, outputs: Sequence[str]) -> List[str]:
    """The names of the batch norms between `start` and `outputs`."""
    return [node.name for node in graph_nodes.between(graph, start, outputs) if node.op in _BATCH_NORMS]


class _Match(NamedTuple):
    norm: tf.NodeDef
    convolution: tf.NodeDef
    bias_add: Optional[tf.NodeDef]
    weights: tf.NodeDef
    scale: np.ndarray
    bias: np.ndarray


def fold_batch_norms(graph: tf.GraphDef, start: str, outputs: Sequence[str]) -> FoldResult:
    """Fold every batch norm between `start` and `outputs` that follows a convolution.

    Args:
        graph: A frozen float graph.
        start: The starting op of the network.
        outputs: The output ops of the network.

    Returns:
        The new graph, what was folded, and what was left with the reason.
    """
    nodes = graph_nodes.by_name(graph)
    uses = graph_nodes.uses(graph.node)
    matches: List[_Match] = []
    left_out: List[LeftOut] = []
    network = {node.name for node in graph_nodes.between(graph, start, outputs)}
    # The graph's own order, not the way the network is walked: it decides the names of the new biases.
    for node in graph.node:
        if node.name in network and node.op in _BATCH_NORMS:
            found = _match(node, nodes, uses)
            if isinstance(found, str):
                left_out.append(LeftOut(node.name, found))
            else:
                matches.append(found)
    folded_graph, folded = _rewrite(graph, matches, set(nodes))
    remaining = sum(node.op in _BATCH_NORMS and node.name in network for node in folded_graph.node)
    if remaining != len(left_out):
        raise GraphError(f"{remaining} batch norms are left after folding where {len(left_out)} were expected; "
                         "report this graph, its batch norms cannot be folded safely")
    return FoldResult(folded_graph, folded, left_out)


def _match(norm: tf.NodeDef, nodes: Mapping[str, tf.NodeDef],
           uses: Mapping[str, List[graph_nodes.Use]]) -> Union[_Match, str]:
    """What is needed to fold `norm`, or the reason why it cannot be folded."""
    if norm.attr["is_training"].b:
        return "it is in training mode"
    if norm.attr["data_format"].s not in (b"", b"NHWC"):
        return f"its data format is {norm.attr['data_format'].s.decode()}, not NHWC"
    if any(f"{norm.name}:{index}" in uses for index in (1, 2, 3, 4, 5)):
        return "its statistics are used elsewhere"
    before = nodes[graph_nodes.op_of(norm.input[0])]
    bias_add: Optional[tf.NodeDef] = None
    if before.op == "BiasAdd":
        bias_add, before = before, nodes[graph_nodes.op_of(before.input[0])]
    if before.op not in _CONVOLUTIONS:
        return f"it follows {before.op} {before.name!r}, not a convolution"
    for producer in ([] if bias_add is None else [bias_add]) + [before]:
        if len(uses[producer.name + ":0"]) != 1:
            return f"the output of {producer.name!r} is used elsewhere"
    weights = nodes[graph_nodes.op_of(before.input[1])]
    readers = [weights.name + ":0"]
    while weights.op == "Identity":
        weights = nodes[graph_nodes.op_of(weights.input[0])]
        readers.append(weights.name + ":0")
    if weights.op != "Const":
        return f"the weights of {before.name!r} are not constant"
    if any(len(uses[reader]) != 1 for reader in readers):
        return f"the weights of {before.name!r} are shared"
    try:
        gamma, beta, mean, variance = (graph_nodes.constant(nodes, reference) for reference in norm.input[1:5])
        if bias_add is not None:
            mean = mean - graph_nodes.constant(nodes, bias_add.input[1])
    except GraphError:
        return "its parameters are not constant"
    # All in float32 and in AIMET's order, to the last bit: a weight that rounds the other way is a whole step.
    inverse = np.float32(1) / np.sqrt(variance + np.float32(norm.attr["epsilon"].f))
    return _Match(norm, before, bias_add, weights, gamma * inverse, beta - mean * gamma * inverse)


def _rewrite(graph: tf.GraphDef, matches: Sequence[_Match],
             taken: Set[str]) -> Tuple[tf.GraphDef, List[Folded]]:
    new_weights: Dict[str, np.ndarray] = {}
    replaced: Dict[str, List[tf.NodeDef]] = {}
    renamed: Dict[str, str] = {}
    dropped: Set[str] = set()
    folded: List[Folded] = []
    for match in matches:
        new_weights[match.weights.name] = _scaled(match)
        bias, output = _fresh_name(taken), _fresh_name(taken)
        replaced[match.norm.name] = [
            graph_nodes.const_node(bias, match.bias),
            graph_nodes.float_node(bias + "/read", "Identity", [bias]),
            graph_nodes.float_node(output, "BiasAdd", [match.convolution.name, bias + "/read"]),
        ]
        renamed[match.norm.name] = output
        if match.bias_add is not None:
            dropped.add(match.bias_add.name)
        folded.append(Folded(match.convolution.name, match.norm.name, output))
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.name in dropped:
            continue
        for new in replaced.get(node.name, [node]):
            copy = result.node.add()
            copy.CopyFrom(new)
            if node.name in new_weights:
                copy.CopyFrom(graph_nodes.const_node(node.name, new_weights[node.name]))
            for index, reference in enumerate(copy.input):
                name = graph_nodes.op_of(reference)
                if name in renamed:
                    copy.input[index] = ("^" if reference.startswith("^") else "") + renamed[name]
    return result, folded


def _scaled(match: _Match) -> np.ndarray:
    weights = tf.make_ndarray(match.weights.attr["value"].tensor)
    # A depthwise kernel is [height, width, channels, multiplier] and its output channels are channels x multiplier.
    scale = match.scale if match.convolution.op == "Conv2D" else match.scale.reshape(weights.shape[2:])
    return np.asarray(weights * scale)


def _fresh_name(taken: Set[str]) -> str:
    name, number = "bias_value", 0
    while name in taken:
        number += 1
        name = f"bias_value_{number}"
    taken.add(name)
    return name
