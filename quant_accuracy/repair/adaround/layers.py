"""The layers of a graph whose weights can be rounded for their output, and why others cannot."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.graph.nodes import Use
from quant_accuracy.quantization.records import PARAM, Quantization, Quantizer
from quant_accuracy.repair.adaround.optimizing import ACTIVATIONS
from quant_accuracy.repair.bias_correction.layer_by_layer import Stage

CONVOLUTION, DEPTHWISE, DENSE = "Conv2D", "DepthwiseConv2dNative", "MatMul"


@dataclass(frozen=True)
class Layer:
    """A layer whose weights are rounded.

    Attributes:
        name: The op that multiplies by the weights.
        kind: Its type: `Conv2D`, `DepthwiseConv2dNative` or `MatMul`.
        input: The tensor that it takes.
        output: The tensor that it gives, behind its bias.
        bias: The constant that is added; None for no bias.
        activation: The activation function behind it; empty for none, or for one that the loss does not take.
        strides: Rows and columns.
        dilations: Rows and columns.
        padding: `SAME` or `VALID`.
        quantizer: The quantizer of its weights.
    """

    name: str
    kind: str
    input: str
    output: str
    bias: Optional[str]
    activation: str
    strides: Tuple[int, int]
    dilations: Tuple[int, int]
    padding: str
    quantizer: Quantizer


@dataclass(frozen=True)
class LeftOut:
    """Weights that stay rounded to nearest.

    Attributes:
        tensor: The weights.
        reason: Why.
    """

    tensor: str
    reason: str


def find(network: Network, quantization: Quantization) -> Tuple[List[Layer], List[LeftOut]]:
    """The layers of a network in the order in which it runs, and the quantized weights that belong to none.

    Args:
        network: The network, batch norms folded, each weight with a constant of its own (`simulate.own_weights`).
        quantization: Its quantizers.

    Raises:
        GraphError: A named op is missing.
    """
    ops = network.ops()
    uses = graph_nodes.uses(ops)
    order = {node.name: number for number, node in enumerate(ops)}
    nodes = network.nodes()
    layers: List[Layer] = []
    left: List[LeftOut] = []
    for quantizer in quantization.enabled():
        if quantizer.kind != PARAM or quantizer.role == "bias":
            continue
        found = _layer(nodes, uses, quantizer)
        if isinstance(found, Layer):
            layers.append(found)
        else:
            left.append(LeftOut(quantizer.tensor, found))
    return sorted(layers, key=lambda layer: order[layer.name]), left


def _layer(nodes: Mapping[str, tf.NodeDef], uses: Mapping[str, Sequence[Use]],
           quantizer: Quantizer) -> Union[Layer, str]:
    """The layer of a quantizer's weights; why there is none."""
    readers = uses.get(quantizer.tensor, ())
    if len(readers) != 1:
        return f"{len(readers)} ops read it, and AdaRound rounds for the output of one"
    node, position = readers[0]
    if node.op not in (CONVOLUTION, DEPTHWISE, DENSE) or position != 1:
        return f"{node.op} {node.name} reads it, which is no {CONVOLUTION}, {DEPTHWISE} or {DENSE} with these weights"
    if node.op == DENSE and any(name in node.attr and node.attr[name].b for name in ("transpose_a", "transpose_b")):
        return f"{node.name} transposes what it multiplies"
    if node.op != DENSE and _text(node, "data_format") not in ("", "NHWC"):
        return f"{node.name} has its channels first"
    if node.op != DENSE and _text(node, "padding") not in ("SAME", "VALID"):
        return f"{node.name} is padded explicitly"
    if not graph_nodes.is_constant(nodes, quantizer.tensor):
        return "it is not constant"
    output, bias = _behind_bias(nodes, uses, node)
    behind = uses.get(output, ())
    activation = behind[0].node.op if len(behind) == 1 and behind[0].node.op in ACTIVATIONS else ""
    return Layer(node.name, node.op, graph_nodes.tensor_of(node.input[0]), output, bias, activation,
                 _sides(node, "strides"), _sides(node, "dilations"), _text(node, "padding"), quantizer)


def _behind_bias(nodes: Mapping[str, tf.NodeDef], uses: Mapping[str, Sequence[Use]],
                 node: tf.NodeDef) -> Tuple[str, Optional[str]]:
    """The tensor behind a layer's bias, and the bias; without one, the layer's own output."""
    tensor = f"{node.name}:0"
    readers = uses.get(tensor, ())
    if len(readers) == 1 and readers[0].node.op == "BiasAdd" and readers[0].position == 0 \
            and graph_nodes.is_constant(nodes, readers[0].node.input[1]):
        return f"{readers[0].node.name}:0", graph_nodes.tensor_of(readers[0].node.input[1])
    return tensor, None


def _text(node: tf.NodeDef, attribute: str) -> str:
    """A text attribute; empty where the op has none: asking for one would add it."""
    return str(node.attr[attribute].s.decode("utf-8", "replace")) if attribute in node.attr else ""


def _sides(node: tf.NodeDef, attribute: str) -> Tuple[int, int]:
    values = list(node.attr[attribute].list.i) if attribute in node.attr else []
    return (values[1], values[2]) if len(values) == 4 else (1, 1)


def stage(layer: Layer) -> Stage:
    """The layer as one of those that are run one after the other."""
    return Stage(layer.name, graph_nodes.op_of(layer.output))


def to_columns(weights: np.ndarray, kind: str) -> np.ndarray:
    """Weights as rows of a layer's input meet them: [taps, outputs], or of a depthwise layer [channels, taps]."""
    if kind != DEPTHWISE:
        return weights.reshape(-1, weights.shape[-1])
    return np.ascontiguousarray(weights.reshape(-1, weights.shape[2] * weights.shape[3]).T)


def from_columns(columns: np.ndarray, kind: str, shape: Sequence[int]) -> np.ndarray:
    """The inverse of `to_columns`."""
    return np.ascontiguousarray((columns.T if kind == DEPTHWISE else columns).reshape(shape))


def weights_of(nodes: Dict[str, tf.NodeDef], layer: Layer) -> np.ndarray:
    """A layer's weights, float32, in TensorFlow's layout."""
    return graph_nodes.constant(nodes, layer.quantizer.tensor).astype(np.float32)
