"""Scaling a network's inputs by a factor that is given when the graph runs."""

from typing import Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

FACTOR = "quant_accuracy/input_scale"
_SCALED = "quant_accuracy/scaled_input"


def scaled(starts: Sequence[str]) -> Tuple[str, ...]:
    """The ops that give what a graph's starting ops gave, scaled."""
    return tuple(f"{_SCALED}_{number}" for number in range(len(starts)))


def scale_input(graph: tf.GraphDef, starts: Sequence[str]) -> tf.GraphDef:
    """Multiply the output of each starting op by the placeholder `FACTOR`, a float32 scalar, for all that use it.

    Args:
        graph: A frozen graph.
        starts: The starting ops of the network; the first output of each is a float32 tensor.

    Raises:
        GraphError: An op is missing, or nothing uses it.
    """
    result = tf.GraphDef()
    result.CopyFrom(graph)
    graph_nodes.require(graph_nodes.by_name(result), starts)
    uses = graph_nodes.uses(result.node)
    for start, name in zip(starts, scaled(starts)):
        tensor = graph_nodes.tensor_of(start)
        if tensor not in uses:
            raise GraphError(f"nothing uses the starting op {start!r}; correct starting_op in the model card")
        for use in uses[tensor]:
            use.node.input[use.position] = name
        result.node.extend([graph_nodes.float_node(name, "Mul", [tensor, FACTOR])])
    factor = tf.NodeDef(name=FACTOR, op="Placeholder")
    factor.attr["dtype"].type = tf.float32.as_datatype_enum
    factor.attr["shape"].shape.CopyFrom(tf.TensorShape([]).as_proto())
    result.node.extend([factor])
    return result
