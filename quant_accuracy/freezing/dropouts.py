"""Dropouts that were written for training, brought to inference, where they pass on what they take.

    y = x * 1 / (1 - rate) * cast(uniform >= rate)        y = x / keep * floor(keep + uniform)
    y = select(uniform >= rate, x * 1 / (1 - rate), 0)

(`tf.nn.dropout` of TensorFlow 1.15, before 1.13, and of TensorFlow 2.) Their chance would give other detections in
every run. What gave the output becomes an Identity of the same name: AIMET 1.19.1 takes such a group for one op of type
Dropout, with a quantizer there.
"""

from typing import Mapping, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.marks import RESOLVED

_DROPOUT = "Dropout"
_SCALING = ("Mul", "RealDiv", "Div")
_SELECTING = ("Select", "SelectV2")
# How `random_uniform` writes what is between two bounds.
_UNIFORM = ("Add", "AddV2", "Mul", "Identity")


def resolve(graph: tf.GraphDef, outputs: Sequence[str]) -> tf.GraphDef:
    """Replace each dropout that some ops need by what it takes.

    Args:
        graph: A graph, frozen or not.
        outputs: Names of ops.

    Raises:
        GraphError: An output op is missing.
    """
    if not any(node.op == "RandomUniform" for node in graph.node):
        return graph
    result = tf.GraphDef()
    result.CopyFrom(graph)
    nodes = graph_nodes.by_name(result)
    graph_nodes.require(nodes, outputs)
    for name in graph_nodes.needed(nodes, outputs):
        taken = _taken(nodes, nodes[name])
        if taken is not None:
            node = nodes[name]
            node.op = "Identity"
            node.attr[RESOLVED].s = _DROPOUT.encode()
            waiting = [source for source in node.input if source.startswith("^")]
            del node.input[:]
            node.input.extend([taken, *waiting])
    return result


def _taken(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> Optional[str]:
    """What a dropout takes, if a node gives the output of one."""
    inputs = graph_nodes.data_inputs(node)
    if node.op in _SELECTING and len(inputs) == 3:
        kept, scaled, other = inputs
        before = nodes[graph_nodes.op_of(scaled)]
        chosen = _is_compared(nodes, nodes[graph_nodes.op_of(kept)]) and _is_zero(nodes[graph_nodes.op_of(other)])
        return graph_nodes.data_inputs(before)[0] if chosen and before.op in _SCALING else None
    if node.op != "Mul":
        return None
    for scaled, mask in (inputs, inputs[::-1]) if len(inputs) == 2 else ():
        before = nodes[graph_nodes.op_of(scaled)]
        if before.op in _SCALING and _is_mask(nodes, nodes[graph_nodes.op_of(mask)]):
            return graph_nodes.data_inputs(before)[0]
    return None


def _is_mask(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> bool:
    """Whether a node gives zeros and ones by chance."""
    if node.op == "Floor":
        return _is_uniform(nodes, graph_nodes.data_inputs(node)[:1])
    return node.op == "Cast" and _is_compared(nodes, nodes[graph_nodes.op_of(node.input[0])])


def _is_compared(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> bool:
    return node.op == "GreaterEqual" and _is_uniform(nodes, graph_nodes.data_inputs(node)[:1])


def _is_zero(node: tf.NodeDef) -> bool:
    return node.op == "Const" and not tf.make_ndarray(node.attr["value"].tensor).any()


def _is_uniform(nodes: Mapping[str, tf.NodeDef], references: Sequence[str]) -> bool:
    waiting = [graph_nodes.op_of(reference) for reference in references]
    for _ in nodes:
        # Not without end: ops of a damaged graph may go in a circle.
        if not waiting:
            break
        node = nodes[waiting.pop()]
        if node.op == "RandomUniform":
            return True
        if node.op in _UNIFORM:
            waiting += [graph_nodes.op_of(source) for source in graph_nodes.data_inputs(node)]
    return False
