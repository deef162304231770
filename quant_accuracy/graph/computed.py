"""What a graph computes from constants alone: its values, and weights that are computed turned into constants.

Weights may be computed when the network runs, out of variables (a weight normalization, a transposition, a cast). They
are the same in every run, and quantizers of weights take values; TensorFlow itself computes them.
"""

from typing import Dict, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import dtypes, sessions
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

_OF_LOOPS = ("Enter", "NextIteration", "Merge", "Switch")
_OTHERWISE_NEXT_TIME = ("Placeholder", "TensorArray", "Random", "Stateless", "Truncated", "Multinomial")


def values(graph: tf.GraphDef, references: Sequence[str]) -> Dict[str, np.ndarray]:
    """The values of those of some tensors that are computed from constants alone, without loops and chance."""
    nodes = graph_nodes.by_name(graph)
    fixed = [reference for reference in dict.fromkeys(references) if _is_fixed(nodes, reference)]
    if not fixed:
        return {}
    needed = graph_nodes.subgraph(graph, [graph_nodes.op_of(reference) for reference in fixed])
    with sessions.open_session(needed) as session:
        found = session.run([graph_nodes.tensor_of(reference) for reference in fixed])
    # A session gives a single text, such as the message of an Assert, as bytes.
    return {reference: np.asarray(value) for reference, value in zip(fixed, found)}


def _is_fixed(nodes: Mapping[str, tf.NodeDef], reference: str) -> bool:
    types = [nodes[name].op for name in graph_nodes.needed(nodes, [graph_nodes.op_of(reference)])]
    return not any(op in _OF_LOOPS or op.startswith(_OTHERWISE_NEXT_TIME) for op in types)


def store_weights(network: Network) -> tf.GraphDef:
    """Replace the ops that compute weights and biases of a network by constants of the same names.

    Args:
        network: The network, in a frozen graph.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    graph, nodes, inside = network.graph, network.nodes(), network.inside()
    wanted: List[str] = []
    for node in network.ops():
        position = 1 if node.op == "BiasAdd" else graph_nodes.LINEAR.get(node.op)
        if position is not None and graph_nodes.op_of(node.input[position]) not in inside \
                and not graph_nodes.is_constant(nodes, node.input[position]):
            wanted.append(node.input[position])
    # An op of several outputs is left: a constant has one.
    wanted = [reference for reference in wanted if len(dtypes.output_dtypes(nodes[graph_nodes.op_of(reference)])) == 1]
    found = {graph_nodes.op_of(reference): value for reference, value in values(graph, wanted).items()}
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        result.node.add().CopyFrom(graph_nodes.const_node(node.name, found[node.name]) if node.name in found else node)
    return result
