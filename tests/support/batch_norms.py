"""Batch norms written in other ways: the fused ones of a graph, spelled out in plain ops."""

from typing import Callable, Dict, List

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


_RANDOM = np.random.RandomState(0)
CHANNELS = 4
Layer = Callable[[tf.Tensor], tf.Tensor]


def parameter(name: str, low: float = 0.5) -> tf.Tensor:
    values = np.random.RandomState(len(name)).uniform(low, 2.0, size=CHANNELS).astype(np.float32)
    return tf.identity(tf.constant(values, name=name), name=name + "/read")


def conv(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, 3, int(x.shape[3]), CHANNELS)).astype(np.float32), name="net/weights")
    return tf.nn.conv2d(x, weights, 1, "SAME", name="net/Conv2D")


def network(*layers: Layer) -> tf.GraphDef:
    """Images -> start -> layers -> relu."""
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="images"), name="start")
        for layer in layers:
            x = layer(x)
        tf.nn.relu(x, name="end")
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            return tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["end"])
