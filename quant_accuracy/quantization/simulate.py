"""The graph that simulates quantization: weights put on their grids, fake-quant ops behind activations."""

from typing import Dict, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import shared_weights
from quant_accuracy.quantization.encodings import quantize_dequantize
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantization, Quantizer


def simulate(graph: tf.GraphDef, quantization: Quantization) -> tf.GraphDef:
    """The graph that simulates quantization: both steps, weights and activations.

    Raises:
        GraphError: A weight or a tensor is missing.
        ConfigurationError: A weight has another number of channels than its encodings.
    """
    return insert_fake_quant(quantize_weights(graph, quantization), quantization)


def own_weights(graph: tf.GraphDef, quantization: Quantization) -> tf.GraphDef:
    """The graph with a constant for each enabled quantizer of a weight, where another op reads the same one.

    Raises:
        GraphError: A weight is missing or is not constant.
    """
    return shared_weights.split(graph, [q.tensor for q in quantization.enabled() if q.kind == PARAM])


def quantize_weights(graph: tf.GraphDef, quantization: Quantization) -> tf.GraphDef:
    """Replace each weight that has an enabled quantizer by its quantized values.

    Args:
        graph: A frozen graph.
        quantization: The placed quantizers and their encodings.

    Raises:
        GraphError: A weight is missing.
        ConfigurationError: A weight has another number of channels than its encodings.
    """
    graph = own_weights(graph, quantization)
    nodes = graph_nodes.by_name(graph)
    wanted: Dict[str, Quantizer] = {}
    for quantizer in quantization.enabled():
        if quantizer.kind == PARAM:
            wanted[graph_nodes.constant_node(nodes, quantizer.tensor).name] = quantizer
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in wanted:
            quantizer = wanted.pop(node.name)
            weights = tf.make_ndarray(node.attr["value"].tensor)
            values = _on_grid(weights, quantizer, quantization.encodings[quantizer.tensor])
            copy.CopyFrom(graph_nodes.const_node(node.name, values.astype(weights.dtype)))
    if wanted:
        raise GraphError(f"the graph lacks the weights {sorted(wanted)}; build it again from the checkpoint")
    return result


def _on_grid(values: np.ndarray, quantizer: Quantizer, encodings: Sequence[Encoding]) -> np.ndarray:
    if quantizer.axis is None:
        return quantize_dequantize(values, encodings[0])
    channels = np.moveaxis(values, quantizer.axis, 0)
    if len(encodings) != len(channels):
        raise ConfigurationError(f"{quantizer.tensor} has {len(channels)} channels and {len(encodings)} "
                                 "encodings; use the checkpoint and the per_channel_quantization that the encodings "
                                 "were made with")
    quantized = np.stack([quantize_dequantize(channel, encoding) for channel, encoding in zip(channels, encodings)])
    return np.moveaxis(quantized, 0, quantizer.axis)


def insert_fake_quant(graph: tf.GraphDef, quantization: Quantization) -> tf.GraphDef:
    """Put a fake-quant op behind each activation that has an enabled quantizer, and send all its consumers there.

    The op is TensorFlow's FakeQuantWithMinMaxArgs; with an encoding whose zero lies on the grid it rounds as AIMET
    does, ties apart.

    Raises:
        GraphError: A tensor is missing.
    """
    wanted = {q.tensor: q for q in quantization.enabled() if q.kind == ACTIVATION}
    result = tf.GraphDef(versions=graph.versions)
    inserted = 0
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        for index, reference in enumerate(copy.input):
            if not reference.startswith("^") and graph_nodes.tensor_of(reference) in wanted:
                copy.input[index] = wanted[graph_nodes.tensor_of(reference)].name
        if node.name + ":0" in wanted:
            quantizer = wanted[node.name + ":0"]
            result.node.add().CopyFrom(fake_quant(quantizer, quantization.encodings[quantizer.tensor][0]))
            inserted += 1
    if inserted != len(wanted):
        raise GraphError(f"{inserted} of {len(wanted)} activation quantizers found their tensor; "
                         "place the quantizers on this very graph")
    return result


def fake_quant(quantizer: Quantizer, encoding: Encoding) -> tf.NodeDef:
    """The op that stands behind the tensor of a quantizer, under the quantizer's name."""
    node = tf.NodeDef(name=quantizer.name, op="FakeQuantWithMinMaxArgs", input=[graph_nodes.op_of(quantizer.tensor)])
    node.attr["min"].f = encoding.minimum
    node.attr["max"].f = encoding.maximum
    node.attr["num_bits"].i = encoding.bitwidth
    # A range that is exactly symmetric has one step less.
    node.attr["narrow_range"].b = encoding.minimum == -encoding.maximum
    return node


def network_outputs(outputs: Sequence[str], quantization: Quantization) -> Sequence[str]:
    """The tensors to fetch for the network's outputs: behind the quantizer where there is one, as AIMET's users do."""
    behind = {q.tensor: q.name + ":0" for q in quantization.enabled() if q.kind == ACTIVATION}
    return [behind.get(output + ":0", output + ":0") for output in outputs]
