"""Scaling a network's input by a factor that is given when the graph runs."""

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

FACTOR = "quant_accuracy/input_scale"
_SCALED = "quant_accuracy/scaled_input"


def scale_input(graph: tf.GraphDef, start: str) -> tf.GraphDef:
    """Multiply the output of `start` by the placeholder `FACTOR`, a float32 scalar, for all that use it.

    Args:
        graph: A frozen graph.
        start: The starting op of the network; its first output is a float32 tensor.

    Raises:
        GraphError: The op is missing, or nothing uses it.
    """
    result = tf.GraphDef()
    result.CopyFrom(graph)
    graph_nodes.require(graph_nodes.by_name(result), [start])
    uses = graph_nodes.uses(result.node).get(graph_nodes.tensor_of(start), [])
    if not uses:
        raise GraphError(f"nothing uses the starting op {start!r}; correct starting_op in the model card")
    for use in uses:
        use.node.input[use.position] = _SCALED
    factor = tf.NodeDef(name=FACTOR, op="Placeholder")
    factor.attr["dtype"].type = tf.float32.as_datatype_enum
    factor.attr["shape"].shape.CopyFrom(tf.TensorShape([]).as_proto())
    result.node.extend([factor, graph_nodes.float_node(_SCALED, "Mul", [graph_nodes.tensor_of(start), FACTOR])])
    return result
