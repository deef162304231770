"""Constants that are read in several places, such as the kernel of a layer that a Keras model calls twice."""

from typing import Dict, Iterable, List, Mapping

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes


def split(graph: tf.GraphDef, tensors: Iterable[str]) -> tf.GraphDef:
    """Give each of some tensors a constant of its own, so that its values can be others; all names stay.

    Args:
        graph: A frozen graph.
        tensors: Constants, or what reads them through Identity ops.

    Raises:
        GraphError: A tensor is not constant.
    """
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    shared: Dict[str, str] = {}
    for tensor in tensors:
        constant = graph_nodes.constant_node(nodes, tensor).name
        way = _way(nodes, graph_nodes.op_of(tensor), constant)
        if any(len(uses[f"{name}:0"]) > 1 for name in way[1:]):
            # Inside of a loop no constant can stand: it enters there.
            entrances = [name for name in way if nodes[name].op == "Enter"]
            shared[(entrances or way)[-1 if entrances else 0]] = constant
    if not shared:
        return graph
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in shared:
            values = graph_nodes.constant(nodes, shared[node.name])
            own = graph_nodes.const_node(f"{node.name}/values" if node.op == "Enter" else node.name, values)
            if node.op == "Enter":
                copy.input[0] = own.name
                result.node.add().CopyFrom(own)
            else:
                copy.CopyFrom(own)
    return result


def _way(nodes: Mapping[str, tf.NodeDef], name: str, constant: str) -> List[str]:
    """The ops from one that reads a constant to the constant."""
    way = [name]
    while way[-1] != constant:
        way.append(graph_nodes.op_of(nodes[way[-1]].input[0]))
    return way
