"""What a set of bit widths costs: bits of weights and activations on average, and bit operations.

Sizes are measured once, on an image; the cost of any set of quantizers then follows without running anything.
"""

from dataclasses import dataclass
from typing import Collection, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import control_flow, dtypes, sessions
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.configuration import BIAS
from quant_accuracy.quantization.records import OVERRIDE, PARAM, Quantizer

FLOAT_BITS = 32
# What the network is given are pixels, whoever makes floats of them.
_PIXEL_BITS = 8
_ALL_BITS = 8
_SHAPES = "quant_accuracy/shapes"


@dataclass(frozen=True)
class Layer:
    """An op that multiplies by weights.

    Attributes:
        name: The op.
        weights: The tensor of its weights.
        inputs: The quantized tensors that what it takes is made of.
        otherwise: Bits of what it takes besides, 0 if there is nothing: pixels, or sums of a layer before it.
        products: How many multiplications it does for an image.
    """

    name: str
    weights: str
    inputs: Tuple[str, ...]
    otherwise: int
    products: int


@dataclass(frozen=True)
class Sizes:
    """What a network stores and computes for one image.

    Attributes:
        weights: How many values each weight has, by tensor; biases are none.
        activations: How many values each activation has that is quantized, or would be without an override. What a
            configuration leaves out is computed together with the op behind it, or is another form of what is counted.
        layers: The ops that multiply by constant weights, but for those in a loop, which run who knows how often.
    """

    weights: Mapping[str, int]
    activations: Mapping[str, int]
    layers: Sequence[Layer]


class Cost(NamedTuple):
    """What bit widths cost.

    Attributes:
        weight_bits: Bits of a weight, on average.
        activation_bits: Bits of a value of an activation, on average.
        bit_operations: Products of bits of weight and input over all multiplications, relative to 8 bits for both.
    """

    weight_bits: float
    activation_bits: float
    bit_operations: float


def measure(network: Network, quantizers: Sequence[Quantizer], image_input: str, image: Batch) -> Sizes:
    """Measure sizes on one image.

    Args:
        network: The folded network.
        quantizers: Its quantizers, all of them.
        image_input: The placeholder that takes images; of no meaning where the batch names its placeholders.
        image: A batch of one image.

    Raises:
        GraphError: A named op is missing, or TensorFlow fails.
    """
    nodes = network.nodes()
    counted = [quantizer.tensor for quantizer in quantizers if quantizer.kind != PARAM
               and (quantizer.enabled or quantizer.rule.startswith(OVERRIDE))]
    held = control_flow.inside(nodes)
    ops = [node for node in network.ops() if node.op in graph_nodes.LINEAR and node.name not in held
           and graph_nodes.is_constant(nodes, node.input[graph_nodes.LINEAR[node.op]])]
    sizes = _sizes(network.graph, [*counted, *map(_widest, ops)], image_input, image)
    weights = {quantizer.tensor: int(graph_nodes.constant(nodes, quantizer.tensor).size) for quantizer in quantizers
               if quantizer.kind == PARAM and quantizer.role != BIAS}
    layers: List[Layer] = []
    inside = network.inside()
    for node in ops:
        tensor = graph_nodes.tensor_of(node.input[graph_nodes.LINEAR[node.op]])
        inputs, otherwise = _sources(nodes, node, set(counted), network.starts, inside)
        products = sizes[_widest(node)] * _products(node, graph_nodes.constant(nodes, tensor))
        layers.append(Layer(node.name, tensor, inputs, otherwise, products))
    return Sizes(weights, {tensor: sizes[tensor] for tensor in counted}, layers)


def of(sizes: Sizes, quantizers: Sequence[Quantizer]) -> Cost:
    """The cost of the bit widths that quantizers have; one that is off has those of a float.

    Args:
        sizes: The network's.
        quantizers: All of them, of this network, with whatever bits.
    """
    bits = {quantizer.tensor: quantizer.bitwidth if quantizer.enabled else FLOAT_BITS for quantizer in quantizers}
    operations = sum(layer.products * bits.get(layer.weights, FLOAT_BITS)
                     * max([layer.otherwise, *(bits[tensor] for tensor in layer.inputs)]) for layer in sizes.layers)
    products = sum(layer.products for layer in sizes.layers)
    return Cost(_average(sizes.weights, bits), _average(sizes.activations, bits),
                operations / (products * _ALL_BITS ** 2) if products else 0.0)


def _average(sizes: Mapping[str, int], bits: Mapping[str, int]) -> float:
    """Bits of a value on average, 0 where there are no values."""
    total = sum(sizes.values())
    return sum(size * bits[tensor] for tensor, size in sizes.items()) / total if total else 0.0


def _widest(node: tf.NodeDef) -> str:
    """The tensor of which each value takes part in the same number of multiplications."""
    return graph_nodes.tensor_of(node.input[2] if node.op == "Conv2DBackpropInput" else node.name)


def _products(node: tf.NodeDef, weights: np.ndarray) -> int:
    """In how many multiplications a value of that tensor takes part."""
    if node.op == "DepthwiseConv2dNative":
        return int(weights.shape[0] * weights.shape[1])
    if node.op in ("Conv2D", "Conv3D", "Conv2DBackpropInput"):
        return int(weights.size // weights.shape[-1])
    transposed = any(name in node.attr and node.attr[name].b for name in ("transpose_b", "adj_y"))
    return int(weights.shape[-1 if transposed else -2])


def _sources(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef, counted: Set[str],
             starts: Sequence[str], inside: Collection[str]) -> Tuple[Tuple[str, ...], int]:
    """The quantized tensors nearest to the input of a layer, and the bits of what reaches it without any."""
    found: List[str] = []
    otherwise = 0
    seen: Set[str] = set()
    waiting = [source for position, source in enumerate(graph_nodes.data_inputs(node))
               if position != graph_nodes.LINEAR[node.op] and not graph_nodes.is_constant(nodes, source)]
    while waiting:
        tensor = graph_nodes.tensor_of(waiting.pop())
        before = nodes[graph_nodes.op_of(tensor)]
        if tensor in seen or before.name not in inside:
            continue
        seen.add(tensor)
        if tensor in counted:
            found.append(tensor)
        elif before.name in starts:
            otherwise = max(otherwise, _PIXEL_BITS)
        elif before.op in graph_nodes.LINEAR:
            otherwise = FLOAT_BITS
        else:
            waiting += graph_nodes.data_inputs(before)
    return tuple(sorted(found)), otherwise


def _sizes(graph: tf.GraphDef, tensors: Sequence[str], image_input: str, image: Batch) -> Dict[str, int]:
    """How many values tensors have; what is large stays in the session."""
    unique, nodes = list(dict.fromkeys(tensors)), graph_nodes.by_name(graph)
    measured = graph_nodes.subgraph(graph, list(map(graph_nodes.op_of, unique)))
    for number, tensor in enumerate(unique):
        size = tf.NodeDef(name=f"{_SHAPES}/{number}", op="Size", input=[tensor])
        size.attr["T"].type = dtypes.of_tensor(nodes, tensor).as_datatype_enum
        size.attr["out_type"].type = tf.int64.as_datatype_enum
        measured.node.append(size)
    given = image if isinstance(image, Mapping) else {image_input: image}
    with sessions.open_session(measured, "the float graph") as session:
        found = session.run([f"{_SHAPES}/{number}:0" for number in range(len(unique))],
                            {graph_nodes.tensor_of(name): np.asarray(value) for name, value in given.items()})
    return dict(zip(unique, map(int, found)))
