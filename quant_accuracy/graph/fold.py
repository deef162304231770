"""Fold inference batch norms into the convolutions before them.

    w' = w * gamma / sqrt(variance + epsilon)        b' = beta + (b - mean) * gamma / sqrt(variance + epsilon)

(Ioffe and Szegedy 2015, the inference form.) New bias tensors are named as AIMET names them: `bias_value` and
`bias_value_1` for the first pair, `bias_value_2` and `bias_value_3` for the next, in the network's order.

A batch norm that is spelled out in plain ops is the same function. AIMET leaves it in the network; here it is folded
where that is asked for, and then gives the very graph that its fused form gives.
"""

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import spelled_out
from quant_accuracy.graph.network import Network
from quant_accuracy.graph.spelled_out import SpelledOut

_BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_NOT_ASKED = ("set quantization: {spelled_out_batch_norms: fold} in the model card, or give --spelled-out-batch-norms "
              "fold, to fold it; keep leaves it as it is")
_SPELLED = f"it is spelled out in plain ops, which AIMET does not fold; {_NOT_ASKED}"


@dataclass(frozen=True)
class Folded:
    """A batch norm that was folded.

    Attributes:
        convolution: The convolution op whose weights took the scale.
        batch_norm: The batch-norm op that is gone; of one that was spelled out, the op that scaled.
        output: The BiasAdd op that stands in its place.
    """

    convolution: str
    batch_norm: str
    output: str


@dataclass(frozen=True)
class NotFolded:
    """A batch norm that stays in the graph, and why."""

    batch_norm: str
    reason: str


class FoldResult(NamedTuple):
    """A graph with its batch norms folded, and the record of what was done."""

    graph: tf.GraphDef
    folded: Sequence[Folded]
    not_folded: Sequence[NotFolded]


class _Linear(NamedTuple):
    """A convolution or dense op, its weights, and the BiasAdd behind it."""

    node: tf.NodeDef
    weights: tf.NodeDef
    bias_add: Optional[tf.NodeDef]


class _Match(NamedTuple):
    """A batch norm that can be folded.

    Attributes:
        name: Its name.
        norm: The op that gives its output.
        inner: The other ops that it consists of.
        linear: What it is folded into.
        scale: float32 factor of each output channel, or one of all.
        bias: float32 summand of each output channel.
    """

    name: str
    norm: tf.NodeDef
    inner: Sequence[str]
    linear: _Linear
    scale: np.ndarray
    bias: np.ndarray


def fold_batch_norms(network: Network, spelled: bool = False) -> FoldResult:
    """Fold every batch norm of a network that follows a convolution.

    Args:
        network: The network, in a frozen float graph.
        spelled: Fold those that are spelled out in plain ops too; otherwise they are left, with that reason.

    Returns:
        The new graph, what was folded, and what was left with the reason.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    graph, nodes, inside = network.graph, network.nodes(), network.inside()
    uses = graph_nodes.uses(graph.node)
    matches: List[_Match] = []
    not_folded: List[NotFolded] = []
    groups = {group.output: group for group in spelled_out.find(network, combined=True)}
    # The graph's own order, not the way the network is walked: it decides the names of the new biases.
    for node in graph.node:
        found: Union[_Match, str]
        if node.name in groups:
            name = groups[node.name].name
            found = _match_spelled(groups[node.name], nodes, uses)
            if not spelled and not isinstance(found, str):
                found = f"it scales each channel by a constant, right behind {found.linear.node.name!r}; {_NOT_ASKED}" \
                    if groups[node.name].combined else _SPELLED
        elif node.name in inside and node.op in _BATCH_NORMS:
            name, found = node.name, _match(node, nodes, uses)
        else:
            continue
        if node.name in network.outputs:
            found = "it gives an output of the network, whose name has to stay"
        if isinstance(found, str):
            not_folded.append(NotFolded(name, found))
        else:
            matches.append(found)
    folded_graph, folded = _rewrite(graph, matches, set(nodes))
    remaining = sum(node.op in _BATCH_NORMS and node.name in inside for node in folded_graph.node) \
        + len(spelled_out.find(replace(network, graph=folded_graph), combined=True))
    if remaining != len(not_folded):
        raise GraphError(f"{remaining} batch norms are left after folding where {len(not_folded)} were expected; "
                         "report this graph, its batch norms cannot be folded safely")
    return FoldResult(folded_graph, folded, not_folded)


def _match(norm: tf.NodeDef, nodes: Mapping[str, tf.NodeDef],
           uses: Mapping[str, List[graph_nodes.Use]]) -> Union[_Match, str]:
    """What is needed to fold `norm`, or the reason why it cannot be folded."""
    if norm.attr["is_training"].b:
        return "it is in training mode"
    if norm.attr["data_format"].s not in (b"", b"NHWC"):
        return f"its data format is {norm.attr['data_format'].s.decode()}, not NHWC"
    if any(f"{norm.name}:{index}" in uses for index in (1, 2, 3, 4, 5)):
        return "its statistics are used elsewhere"
    linear = _linear(norm.input[0], _CONVOLUTIONS, nodes, uses)
    if isinstance(linear, str):
        return linear
    try:
        gamma, beta, mean, variance = (graph_nodes.constant(nodes, reference) for reference in norm.input[1:5])
        if linear.bias_add is not None:
            mean = mean - graph_nodes.constant(nodes, linear.bias_add.input[1])
    except GraphError:
        return "its parameters are not constant"
    # All in float32 and in AIMET's order, to the last bit: a weight that rounds the other way is a whole step.
    inverse = np.float32(1) / np.sqrt(variance + np.float32(norm.attr["epsilon"].f))
    return _Match(norm.name, norm, (), linear, gamma * inverse, beta - mean * gamma * inverse)


def _match_spelled(group: SpelledOut, nodes: Mapping[str, tf.NodeDef],
                   uses: Mapping[str, List[graph_nodes.Use]]) -> Union[_Match, str]:
    """The same for a batch norm that is spelled out."""
    if group.scale is None:
        return "it takes its statistics from the batch; export the checkpoint for inference, not in training mode"
    linear = _linear(group.input, (*_CONVOLUTIONS, "MatMul"), nodes, uses)
    if isinstance(linear, str):
        return linear
    channels = _channels(linear)
    scale, shift = group.scale, np.zeros(1, np.float32) if group.shift is None else group.shift
    if any(value.size not in (1, channels) or (value.size > 1 and value.shape[-1] != channels)
           for value in (scale, shift)):
        return f"it does not have one scale for each of the {channels} output channels of {linear.node.name!r}"
    scale, shift = scale.reshape(-1), shift.reshape(-1)
    if linear.bias_add is not None:
        try:
            shift = shift + graph_nodes.constant(nodes, linear.bias_add.input[1]) * scale
        except GraphError:
            return "its parameters are not constant"
    return _Match(group.name, nodes[group.output], group.chain[:-1], linear, np.broadcast_to(scale, [channels]),
                  np.broadcast_to(shift, [channels]))


def _linear(reference: str, types: Sequence[str], nodes: Mapping[str, tf.NodeDef],
            uses: Mapping[str, List[graph_nodes.Use]]) -> Union[_Linear, str]:
    """The op that gives a tensor, if a batch norm of that tensor can be folded into it, or why it cannot."""
    node = nodes[graph_nodes.op_of(reference)]
    bias_add: Optional[tf.NodeDef] = None
    if node.op == "BiasAdd":
        bias_add, node = node, nodes[graph_nodes.op_of(node.input[0])]
    if node.op not in types:
        return f"it follows {node.op} {node.name!r}, not a convolution"
    if "data_format" in node.attr and node.attr["data_format"].s not in (b"", b"NHWC"):
        return f"the data format of {node.name!r} is {node.attr['data_format'].s.decode()}, not NHWC"
    for producer in ([] if bias_add is None else [bias_add]) + [node]:
        if len(uses[producer.name + ":0"]) != 1:
            return f"the output of {producer.name!r} is used elsewhere"
    weights = nodes[graph_nodes.op_of(node.input[1])]
    readers = [weights.name + ":0"]
    while weights.op == "Identity":
        weights = nodes[graph_nodes.op_of(weights.input[0])]
        readers.append(weights.name + ":0")
    if weights.op != "Const":
        return f"the weights of {node.name!r} are not constant"
    if any(len(uses[reader]) != 1 for reader in readers):
        return f"the weights of {node.name!r} are shared"
    return _Linear(node, weights, bias_add)


def _channels(linear: _Linear) -> int:
    sides = [side.size for side in linear.weights.attr["value"].tensor.tensor_shape.dim]
    if linear.node.op == "MatMul":
        return int(sides[0 if _transposed(linear.node) else 1])
    return int(graph_nodes.size_of(sides[2:] if linear.node.op == "DepthwiseConv2dNative" else sides[-1:]))


def _transposed(dense: tf.NodeDef) -> bool:
    # To ask a node for an attribute that it does not have would give it one.
    return "transpose_b" in dense.attr and bool(dense.attr["transpose_b"].b)


def _rewrite(graph: tf.GraphDef, matches: Sequence[_Match],
             taken: Set[str]) -> Tuple[tf.GraphDef, List[Folded]]:
    new_weights: Dict[str, np.ndarray] = {}
    replaced: Dict[str, List[tf.NodeDef]] = {}
    renamed: Dict[str, str] = {}
    dropped: Set[str] = set()
    folded: List[Folded] = []
    for match in matches:
        new_weights[match.linear.weights.name] = _scaled(match)
        bias, output = _fresh_name(taken), _fresh_name(taken)
        replaced[match.norm.name] = [
            graph_nodes.const_node(bias, match.bias),
            graph_nodes.float_node(bias + "/read", "Identity", [bias]),
            graph_nodes.float_node(output, "BiasAdd", [match.linear.node.name, bias + "/read"]),
        ]
        renamed[match.norm.name] = output
        dropped.update(match.inner)
        if match.linear.bias_add is not None:
            dropped.add(match.linear.bias_add.name)
        folded.append(Folded(match.linear.node.name, match.name, output))
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
    node = match.linear.node
    weights = tf.make_ndarray(match.linear.weights.attr["value"].tensor)
    if node.op == "DepthwiseConv2dNative":
        # Such a kernel is [height, width, channels, multiplier] and its output channels are channels x multiplier.
        return np.asarray(weights * match.scale.reshape(weights.shape[2:]))
    if node.op == "MatMul" and _transposed(node):
        return np.asarray(weights * match.scale[:, np.newaxis])
    return np.asarray(weights * match.scale)


def _fresh_name(taken: Set[str]) -> str:
    name, number = "bias_value", 0
    while name in taken:
        number += 1
        name = f"bias_value_{number}"
    taken.add(name)
    return name
