"""Batch norms written in other ways: the fused ones of a graph, spelled out in plain ops."""

from typing import Dict, List

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes


def spell_out(graph: tf.GraphDef, addition: str = "Add") -> int:
    """Turn each fused batch norm of a graph into Rsqrt, Mul, Sub and Add, as TensorFlow 1.5 wrote them; say how many.

    Variables and function stay as they are.

    Args:
        graph: Changed in place.
        addition: `Add` or, as later versions write it, `AddV2`.
    """
    new_names: Dict[str, str] = {}
    added: List[tf.NodeDef] = []
    kept: List[tf.NodeDef] = []

    def op(name: str, kind: str, *inputs: str) -> str:
        added.append(graph_nodes.float_node(name, kind, inputs))
        return name

    for node in graph.node:
        if not node.op.startswith("FusedBatchNorm"):
            kept.append(node)
            continue
        scope = node.name.rsplit("/", 1)[0] + "/batchnorm"
        x, gamma, beta, mean, variance = node.input[:5]
        added.append(graph_nodes.const_node(scope + "/add/y", np.float32(node.attr["epsilon"].f)))
        root = op(scope + "/Rsqrt", "Rsqrt", op(scope + "/add", addition, variance, scope + "/add/y"))
        scale = op(scope + "/mul", "Mul", root, gamma)
        shift = op(scope + "/sub", "Sub", beta, op(scope + "/mul_2", "Mul", mean, scale))
        new_names[node.name] = op(scope + "/add_1", addition, op(scope + "/mul_1", "Mul", x, scale), shift)
    nodes = [*kept, *added]
    for node in nodes:
        node.attr.pop("_class", None)
        for index, reference in enumerate(node.input):
            name = graph_nodes.op_of(reference)
            if name in new_names:
                node.input[index] = ("^" if reference.startswith("^") else "") + new_names[name]
    changed = tf.GraphDef(node=nodes)
    del graph.node[:]
    graph.node.extend(changed.node)
    return len(new_names)
