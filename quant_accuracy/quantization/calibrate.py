"""Observe every quantizer's tensor on calibration images, and derive the encodings."""

from typing import Dict, Iterable, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import sessions
from quant_accuracy.errors import DataError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.encodings import Range, asymmetric_encoding
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantizer


def calibrate(graph: tf.GraphDef, quantizers: Sequence[Quantizer], image_input: str,
              batches: Iterable[np.ndarray]) -> Dict[str, Encoding]:
    """The encoding of every enabled quantizer, by tensor name (scheme `tf`).

    As in AIMET, weights are quantized while activations are observed in floating point.

    Args:
        graph: The frozen graph, batch norms folded.
        quantizers: The placed quantizers.
        image_input: The placeholder that takes images.
        batches: uint8 [batch, height, width, 3] calibration images.

    Raises:
        DataError: A tensor is NaN or infinite on the calibration images, or there are no images.
    """
    encodings = calibrate_params(graph, quantizers)
    quantized = simulate.quantize_weights(graph, quantizers, encodings)
    activations = [q for q in quantizers if q.enabled and q.kind == ACTIVATION]
    ranges = observe(quantized, [q.tensor for q in activations], image_input, batches)
    for quantizer in activations:
        try:
            encodings[quantizer.tensor] = asymmetric_encoding(ranges[quantizer.tensor], quantizer.bitwidth)
        except DataError as error:
            raise DataError(f"activation {quantizer.tensor}: {error}") from error
    return encodings


def calibrate_params(graph: tf.GraphDef, quantizers: Sequence[Quantizer]) -> Dict[str, Encoding]:
    """The encodings of the enabled weight quantizers, from the weights themselves, by tensor name."""
    nodes = graph_nodes.by_name(graph)
    encodings: Dict[str, Encoding] = {}
    for quantizer in quantizers:
        if quantizer.enabled and quantizer.kind == PARAM:
            values = graph_nodes.constant(nodes, quantizer.tensor)
            encodings[quantizer.tensor] = asymmetric_encoding(Range(float(values.min()), float(values.max())),
                                                              quantizer.bitwidth)
    return encodings


def observe(graph: tf.GraphDef, tensors: Sequence[str], image_input: str,
            batches: Iterable[np.ndarray]) -> Dict[str, Range]:
    """The range of each tensor over all images.

    Args:
        graph: The graph to run.
        tensors: Names of float32 tensors.
        image_input: The placeholder that takes images.
        batches: uint8 [batch, height, width, 3].

    Raises:
        DataError: There are no images.
    """
    extremes = _with_extremes(graph, tensors)
    low = np.full(len(tensors), np.inf)
    high = np.full(len(tensors), -np.inf)
    fetches = [f"observe/{index}/{which}:0" for which in ("min", "max") for index in range(len(tensors))]
    images = 0
    with sessions.open_session(extremes) as session:
        for values in sessions.run_concurrently(lambda batch: session.run(fetches, {image_input + ":0": batch}),
                                                batches):
            # NaN must come through: numpy's minimum and maximum keep it, TensorFlow's reductions may not.
            seen = np.array(values, np.float64).reshape(2, -1)
            low, high = np.minimum(low, seen[0]), np.maximum(high, seen[1])
            images += 1
    if not images:
        raise DataError("there are no calibration images; raise --calibration-images or give more shards")
    return {tensor: Range(float(low[i]), float(high[i])) for i, tensor in enumerate(tensors)}


def _with_extremes(graph: tf.GraphDef, tensors: Sequence[str]) -> tf.GraphDef:
    """The part of the graph that leads to the tensors, with their minima and maxima over all axes."""
    result = graph_nodes.subgraph(graph, [graph_nodes.op_of(tensor) for tensor in tensors])
    added: List[tf.NodeDef] = []
    for index, tensor in enumerate(tensors):
        flat, axis = f"observe/{index}/flat", f"observe/{index}/axis"
        added.append(graph_nodes.const_node(axis, np.array([-1], np.int32)))
        reshape = graph_nodes.float_node(flat, "Reshape", [tensor, axis])
        reshape.attr["Tshape"].type = tf.int32.as_datatype_enum
        added.append(reshape)
        zero = f"observe/{index}/zero"
        added.append(graph_nodes.const_node(zero, np.array([0], np.int32)))
        for which, op in (("min", "Min"), ("max", "Max")):
            reduction = graph_nodes.float_node(f"observe/{index}/{which}", op, [flat, zero])
            reduction.attr["Tidx"].type = tf.int32.as_datatype_enum
            added.append(reduction)
    result.node.extend(added)
    return result
