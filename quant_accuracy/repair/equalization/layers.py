"""Layers whose channels can be scaled: convolutions and dense ops with constant weights of their own."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.repair.equalization import kernels
from quant_accuracy.repair.equalization.kernels import Axes


@dataclass(frozen=True)
class Layer:
    """A convolution or dense op.

    Attributes:
        op: Its name.
        type: Its op type.
        constant: The Const that holds its kernel.
        kernel: float32, the kernel in TensorFlow's layout.
        axes: Where its channels are.
        bias: The Const of the BiasAdd behind it; None without one.
        output: The op that gives what it computes: itself or that BiasAdd.
        unpadded: Whether each output is computed from as many inputs: no border is filled up with zeros.
    """

    op: str
    type: str
    constant: str
    kernel: np.ndarray
    axes: Axes
    bias: Optional[str]
    output: str
    unpadded: bool

    @property
    def outputs(self) -> int:
        """How many output channels it has."""
        return graph_nodes.size_of(self.kernel.shape[axis] for axis in self.axes.outputs)

    @property
    def inputs(self) -> int:
        """How many input channels it has."""
        return int(self.kernel.shape[self.axes.inputs[0]])


class Reader:
    """Reads the layers of a graph.

    Args:
        nodes: All ops by name.
        uses: Where each tensor is consumed.
    """

    def __init__(self, nodes: Mapping[str, tf.NodeDef], uses: Mapping[str, List[graph_nodes.Use]]) -> None:
        self._nodes, self._uses = nodes, uses

    def read(self, node: tf.NodeDef) -> Union[Layer, str]:
        """The layer of an op with weights; or why its channels cannot be scaled."""
        if node.op not in kernels.BY_OP:
            return f"{node.op} is not equalized"
        if "data_format" in node.attr and node.attr["data_format"].s not in (b"", b"NHWC"):
            return f"its data format is {node.attr['data_format'].s.decode()}, not NHWC"
        if "transpose_a" in node.attr and node.attr["transpose_a"].b:
            return "it takes its input transposed"
        reference = node.input[graph_nodes.LINEAR[node.op]]
        kernel = self.own_constant(reference)
        if kernel is None:
            return "its weights are not constant, or another op reads them too"
        axes = kernels.BY_OP[node.op]
        if node.op == "MatMul" and "transpose_b" in node.attr and node.attr["transpose_b"].b:
            axes = kernels.DENSE_TRANSPOSED
        readers = self._uses.get(node.name + ":0", [])
        following = readers[0].node if len(readers) == 1 and readers[0].node.op == "BiasAdd" else None
        bias = None if following is None else self._bias(following)
        values = graph_nodes.constant(self._nodes, reference)
        output = node.name if following is None or bias is None else following.name
        return Layer(node.name, node.op, kernel, values, axes, bias, output, _unpadded(node, values))

    def own_constant(self, reference: str) -> Optional[str]:
        """The Const behind a reference, if it is float32 and nothing else reads it."""
        if not graph_nodes.is_constant(self._nodes, reference):
            return None
        node = self._nodes[graph_nodes.op_of(reference)]
        while node.op != "Const" and len(self._uses[node.name + ":0"]) == 1:
            node = self._nodes[graph_nodes.op_of(node.input[0])]
        own = node.op == "Const" and len(self._uses[node.name + ":0"]) == 1
        return str(node.name) if own and node.attr["dtype"].type == tf.float32.as_datatype_enum else None

    def _bias(self, node: tf.NodeDef) -> Optional[str]:
        return self.own_constant(node.input[1])


def _unpadded(node: tf.NodeDef, kernel: np.ndarray) -> bool:
    if node.op == "MatMul":
        return True
    if node.op == "Conv2DBackpropInput":
        return False
    return tuple(kernel.shape[:2]) == (1, 1) or node.attr["padding"].s == b"VALID"


def biases(graph: tf.GraphDef, layers: Mapping[str, Layer]) -> Dict[str, np.ndarray]:
    """The bias of each layer that has one, by the name of its Const."""
    nodes = graph_nodes.by_name(graph)
    return {layer.bias: graph_nodes.constant(nodes, layer.bias) for layer in layers.values() if layer.bias is not None}


def with_constants(graph: tf.GraphDef, values: Mapping[str, np.ndarray]) -> tf.GraphDef:
    """The graph with other values in some of its constants.

    Raises:
        GraphError: A constant is missing.
    """
    result, left = tf.GraphDef(versions=graph.versions), set(values)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in left:
            left.remove(node.name)
            if node.op == "Const":
                copy.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.asarray(values[node.name], np.float32)))
            else:
                left.add(node.name)
    if left:
        raise GraphError(f"the graph lacks the constants {sorted(left)}; equalize the graph that they were read from")
    return result
