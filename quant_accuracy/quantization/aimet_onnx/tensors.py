"""The tensors of a network that was converted, in both graphs."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

# Layers with weights in ONNX: their inputs are the tensor, the weights and the bias.
_LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_WEIGHTS, _BIAS = 1, 2
_ADDING = ("BiasAdd", "Add", "AddV2")
# Which axis holds the output channels: there, and here.
_THEIR_AXIS = {"Conv": 0, "ConvTranspose": 1}
_OUR_AXIS = {"Conv2D": 3, "DepthwiseConv2dNative": 2, "Conv2DBackpropInput": 2, "Conv3D": 4}
# Of the layers here, which input is the tensor that they are named after.
_DATA = {"Conv2DBackpropInput": 2}
_ARRANGING = ("Transpose", "Identity", "Cast")


class _Reader(NamedTuple):
    """One place where a tensor of the ONNX model is consumed."""

    node: Any
    position: int


class Tensors:
    """The tensors of an ONNX model and of the network that it was made of.

    Args:
        model: The model as it was converted, before AIMET has changed it.
        cut: The network that was converted.
        network: The network in its whole graph.
        to_array: Reads a constant of the model.
    """

    def __init__(self, model: Any, cut: tf.GraphDef, network: Network, to_array: Callable[[Any], np.ndarray]) -> None:
        self.cut = cut
        self._here = graph_nodes.by_name(cut)
        self._uses = graph_nodes.uses(cut.node)
        self._starts = set(network.starts)
        self._makers: Dict[str, Any] = {name: node for node in model.graph.node for name in node.output}
        self._readers: Dict[str, List[_Reader]] = {}
        for node in model.graph.node:
            for position, name in enumerate(node.input):
                self._readers.setdefault(name, []).append(_Reader(node, position))
        self._constants = {item.name: item for item in model.graph.initializer}
        self._to_array = to_array

    def counterparts(self, tensor: str) -> List[str]:
        """The tensors of the network here that a tensor of the ONNX model is: several where it holds equal weights."""
        layers = [reader for reader in self._readers.get(tensor, []) if tensor in self._constants
                  and reader.node.op_type in _LINEAR and reader.position in (_WEIGHTS, _BIAS)]
        found = [self._of_layer(reader) for reader in layers] or [self._counterpart(tensor, 0)]
        return list(dict.fromkeys(item for item in found if item is not None))

    def made_by(self, tensor: str) -> str:
        """The type of the ONNX op that gives a tensor; empty for inputs and constants."""
        return str(self._makers[tensor].op_type) if tensor in self._makers else ""

    def read_by(self, tensor: str) -> str:
        """The type of an ONNX op that reads a tensor, else of the one that gives it."""
        readers = self._readers.get(tensor, [])
        return str(readers[0].node.op_type) if readers else self.made_by(tensor)

    def type_of(self, tensor: str) -> str:
        """The type of the op that gives a tensor here."""
        return str(self._here[graph_nodes.op_of(tensor)].op)

    def is_bias(self, tensor: str) -> bool:
        """Whether a param of the ONNX model is a bias."""
        return any(reader.node.op_type in _LINEAR and reader.position == _BIAS for reader in self._readers[tensor])

    def values_there(self, tensor: str) -> np.ndarray:
        """A constant of the ONNX model."""
        return self._to_array(self._constants[tensor])

    def values_here(self, tensor: str) -> np.ndarray:
        """A constant of the network here."""
        return graph_nodes.constant(self._here, tensor)

    def their_axis(self, tensor: str) -> Optional[int]:
        """The axis of the output channels of a param in the ONNX model; None where it is not known."""
        reader = self._linear_reader(tensor)
        if reader is None or reader.position == _BIAS:
            return 0 if len(self._constants[tensor].dims) == 1 else None
        if reader.node.op_type == "Gemm":
            return 0 if any(item.name == "transB" and item.i for item in reader.node.attribute) else 1
        if reader.node.op_type == "MatMul":
            return len(self._constants[tensor].dims) - 1
        return _THEIR_AXIS[reader.node.op_type]

    def channel_axis(self, tensor: str) -> Optional[int]:
        """The axis of the output channels here of a param of the ONNX model; None where they lie along several."""
        reader = self._linear_reader(tensor)
        layer = self._layer(reader) if reader is not None and reader.position == _WEIGHTS else None
        if layer is None:
            # A bias, or a param of a normalization.
            return 0 if len(self._constants[tensor].dims) == 1 else None
        if layer.op == "MatMul":
            return 0 if layer.attr["transpose_b"].b else 1
        if layer.op == "DepthwiseConv2dNative" and self.values_here(layer.input[_WEIGHTS]).shape[3] != 1:
            return None
        return _OUR_AXIS.get(layer.op)

    def _counterpart(self, tensor: str, depth: int) -> Optional[str]:
        if graph_nodes.op_of(tensor) in self._here and tensor.endswith(":0"):
            return self._with_bias(tensor)
        # Each step goes on to what reads it: a network is not longer than its ops.
        for reader in self._readers.get(tensor, []) if depth < len(self._makers) + 1 else []:
            found = self._read_here(reader, depth)
            if found is not None:
                return found
        return None

    def _with_bias(self, tensor: str) -> str:
        """The tensor, or what a bias makes of it that tf2onnx has left out, since all of it is zero."""
        readers = self._uses.get(tensor, [])
        if len(readers) == 1 and readers[0].node.op in _ADDING:
            added = graph_nodes.tensor_of(readers[0].node.name)
            known = added in self._makers or self._here[graph_nodes.op_of(tensor)].op not in graph_nodes.LINEAR
            return tensor if known else added
        return tensor

    def _read_here(self, reader: _Reader, depth: int) -> Optional[str]:
        """What the op here takes at the place where an op of the ONNX model reads a tensor."""
        made = self._counterpart(reader.node.output[0], depth + 1)
        if made is None:
            return None
        node = self._through(made)
        if reader.node.op_type in _LINEAR:
            return self._of_layer(reader)
        if reader.node.op_type in _ARRANGING and node.op not in _ARRANGING:
            return made
        inputs = graph_nodes.data_inputs(node)
        return graph_nodes.tensor_of(inputs[reader.position]) if reader.position < len(inputs) else None

    def _of_layer(self, reader: _Reader) -> Optional[str]:
        layer = self._layer(reader)
        if layer is None:
            return None
        if reader.position == _BIAS:
            made = self._counterpart(reader.node.output[0], 0)
            adding = self._through(made) if made is not None else None
            return graph_nodes.tensor_of(adding.input[1]) if adding is not None and adding.op in _ADDING else None
        position = graph_nodes.LINEAR[layer.op] if reader.position == _WEIGHTS else _DATA.get(layer.op, 0)
        return graph_nodes.tensor_of(layer.input[position])

    def _layer(self, reader: _Reader) -> Optional[tf.NodeDef]:
        """The op with weights here that a layer of the ONNX model is."""
        made = self._counterpart(reader.node.output[0], 0)
        if made is None:
            return None
        node = self._through(made)
        if node.op in _ADDING:
            sources = [self._through(reference) for reference in graph_nodes.data_inputs(node)]
            linear = [source for source in sources if source.op in graph_nodes.LINEAR]
            node = linear[0] if linear else node
        return node if node.op in graph_nodes.LINEAR else None

    def _through(self, reference: str) -> tf.NodeDef:
        """The op that a tensor comes from, through Identities."""
        node = self._here[graph_nodes.op_of(reference)]
        while node.op == "Identity" and node.name not in self._starts and graph_nodes.data_inputs(node):
            node = self._here[graph_nodes.op_of(node.input[0])]
        return node

    def _linear_reader(self, tensor: str) -> Optional[_Reader]:
        return next((reader for reader in self._readers.get(tensor, []) if reader.node.op_type in _LINEAR), None)
