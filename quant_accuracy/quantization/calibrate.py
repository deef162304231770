"""Observe every quantizer's tensor on calibration images, and derive the encodings."""

import functools
from dataclasses import replace
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError, GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import histogram, simulate
from quant_accuracy.quantization.encodings import Range, range_encoding
from quant_accuracy.quantization.histogram import Histogram, enhanced_encoding
from quant_accuracy.quantization.records import (
    ACTIVATION,
    PARAM,
    PERCENTILE,
    TF_ENHANCED,
    Encoding,
    Encodings,
    Quantization,
    Quantizer,
    Settings,
    Symmetry,
)
from quant_accuracy.runtimes.execution import Execution, open_graph

# What a network is fed at once: images, or values for each of several placeholders, by name.
Batch = Union[np.ndarray, Mapping[str, np.ndarray]]
# Quantizers come in the network's order: the first tensor that is no number is the nearest to what makes it so.
_REPAIR = "a weight or a batch norm before it makes it so: train or export the checkpoint again"


def calibrate(graph: tf.GraphDef, quantizers: Sequence[Quantizer], settings: Settings, image_input: str,
              batches: Iterable[Batch], frozen: Optional[Encodings] = None,
              execution: Optional[Execution] = None) -> Quantization:
    """The quantizers with an encoding for each that is enabled.

    As in AIMET, weights are quantized while activations are observed in floating point.

    Args:
        graph: The frozen graph, batch norms folded.
        quantizers: The placed quantizers.
        settings: The scheme.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: uint8 [batch, height, width, 3] calibration images; for a network of several inputs mappings from
            placeholders to values.
        frozen: Encodings that are given and stay as they are.
        execution: Who computes the network, and where it begins; None for TensorFlow.

    Raises:
        DataError: A tensor is NaN or infinite on the calibration images, or there are no images.
        GraphError: An input is missing in a batch, or in the graph.
    """
    encodings = dict(frozen or {})
    encodings.update(calibrate_params(graph, [q for q in quantizers if q.tensor not in encodings], settings))
    quantized = simulate.quantize_weights(graph, Quantization(quantizers, encodings))
    activations = [q for q in quantizers if q.enabled and q.kind == ACTIVATION and q.tensor not in encodings]
    if not activations:
        return Quantization(quantizers, encodings)
    tensors = [q.tensor for q in activations]
    for quantizer, encode in zip(activations, _observed(quantized, tensors, settings, image_input, batches,
                                                      execution or Execution())):
        encodings[quantizer.tensor] = (_named(quantizer, encode),)
    return Quantization(quantizers, encodings)


def calibrate_params(graph: tf.GraphDef, quantizers: Sequence[Quantizer], settings: Settings) -> Encodings:
    """The encodings of the enabled weight quantizers, from the weights themselves, by tensor name."""
    nodes = graph_nodes.by_name(graph)
    encodings: Dict[str, Tuple[Encoding, ...]] = {}
    for quantizer in quantizers:
        if quantizer.enabled and quantizer.kind == PARAM:
            values = graph_nodes.constant(nodes, quantizer.tensor)
            parts = [values] if quantizer.axis is None else np.moveaxis(values, quantizer.axis, 0)
            encodings[quantizer.tensor] = tuple(_named(quantizer, _of_values(part, settings)) for part in parts)
    return encodings


_Encode = Callable[[int, Symmetry], Encoding]


def _of_values(values: np.ndarray, settings: Settings) -> _Encode:
    if settings.scheme == TF_ENHANCED:
        return functools.partial(enhanced_encoding, histogram.update(None, values))
    if settings.scheme == PERCENTILE and np.isfinite(values).all():
        low, high = np.percentile(values, [100.0 - settings.percentile, settings.percentile])
        return functools.partial(range_encoding, Range(float(low), float(high)))
    return functools.partial(range_encoding, Range(float(values.min()), float(values.max())))


def _named(quantizer: Quantizer, encode: _Encode) -> Encoding:
    try:
        return encode(quantizer.bitwidth, quantizer.symmetry)
    except DataError as error:
        seen = "" if quantizer.kind == PARAM else " on the calibration images"
        raise DataError(f"{quantizer.kind} {quantizer.tensor} cannot be quantized: it is NaN or infinite{seen} "
                        f"({str(error).split(';')[0]}); {_REPAIR}") from error


def _observed(graph: tf.GraphDef, tensors: Sequence[str], settings: Settings, image_input: str,
              batches: Iterable[Batch], execution: Execution) -> List[_Encode]:
    """For each tensor what gives its encoding, once bit width and symmetry are known."""
    if settings.scheme == TF_ENHANCED:
        return [functools.partial(enhanced_encoding, seen)
                for seen in observe_histograms(graph, tensors, image_input, batches, execution)]
    if settings.scheme == PERCENTILE:
        return [functools.partial(range_encoding, histogram.central_range(seen, settings.percentile))
                for seen in observe_histograms(graph, tensors, image_input, batches, execution)]
    return [functools.partial(range_encoding, seen)
            for seen in observe_ranges(graph, tensors, image_input, batches, execution)]


def observe_ranges(graph: tf.GraphDef, tensors: Sequence[str], image_input: str,
                   batches: Iterable[Batch], execution: Execution) -> List[Range]:
    """The range of each tensor over all images.

    Args:
        graph: The graph to run.
        tensors: Names of float32 tensors.
        image_input: The placeholder that takes images.
        batches: As for `calibrate`.
        execution: As for `calibrate`.

    Raises:
        DataError: There are no images.
    """
    extremes = _with_extremes(graph, tensors)
    low = np.full(len(tensors), np.inf)
    high = np.full(len(tensors), -np.inf)
    fetches = [f"observe/{index}/{which}:0" for which in ("min", "max") for index in range(len(tensors))]
    for values in _run_all(extremes, fetches, _feeds(graph, extremes, image_input, batches), execution):
        # NaN must come through: numpy's minimum and maximum keep it.
        seen = np.array(values, np.float64).reshape(2, -1)
        low, high = np.minimum(low, seen[0]), np.maximum(high, seen[1])
    return [Range(float(low[index]), float(high[index])) for index in range(len(tensors))]


def observe_histograms(graph: tf.GraphDef, tensors: Sequence[str], image_input: str,
                       batches: Iterable[Batch], execution: Execution) -> List[Optional[Histogram]]:
    """The histogram of each tensor over all images; None where all values were zero.

    The order of the batches matters: the first one fixes the buckets.

    Args:
        graph: The graph to run.
        tensors: Names of float32 tensors.
        image_input: The placeholder that takes images.
        batches: As for `calibrate`.
        execution: As for `calibrate`.

    Raises:
        DataError: There are no images, or a value is NaN or infinite.
    """
    needed = graph_nodes.subgraph(graph, [graph_nodes.op_of(tensor) for tensor in tensors])
    seen: List[Optional[Histogram]] = [None] * len(tensors)
    for values in _run_all(needed, tensors, _feeds(graph, needed, image_input, batches), execution):
        for index, value in enumerate(values):
            if not np.isfinite(value).all():
                raise DataError(f"activation {tensors[index]} is NaN or infinite on the calibration images; {_REPAIR}")
            seen[index] = histogram.update(seen[index], value)
    return seen


def _feeds(whole: tf.GraphDef, needed: tf.GraphDef, image_input: str,
           batches: Iterable[Batch]) -> Iterator[Mapping[str, np.ndarray]]:
    """What each batch feeds by tensor; an input that the graph has, and this part of it does not need, is left out."""
    ops, inputs = graph_nodes.by_name(whole), graph_nodes.by_name(needed)
    for batch in batches:
        if not isinstance(batch, Mapping):
            yield {graph_nodes.tensor_of(image_input): batch}
            continue
        for name in batch:
            # A learning phase that is off was settled when the graph was frozen.
            if graph_nodes.op_of(name) not in ops and not _is_off(batch[name]):
                raise GraphError(f"the graph has no input {name!r}; name its placeholders"
                                 f"{graph_nodes.near(ops, name)}")
        yield {graph_nodes.tensor_of(name): values for name, values in batch.items()
               if graph_nodes.op_of(name) in inputs}


def _is_off(value: np.ndarray) -> bool:
    return np.shape(value) == () and np.asarray(value).dtype == np.bool_ and not value


def _run_all(graph: tf.GraphDef, fetches: Sequence[str],
             feeds: Iterable[Mapping[str, np.ndarray]], execution: Execution) -> Iterator[Sequence[np.ndarray]]:
    """The fetched values of each batch, in order; no batch at all is an error."""
    count, nodes = 0, graph_nodes.by_name(graph)
    of_graph = replace(execution, starts=[start for start in execution.starts if start in nodes],
                       outputs=list(map(graph_nodes.op_of, fetches)))
    with open_graph(of_graph, graph, fetches, "the float graph, on calibration images") as run:
        for values in concurrency.run_concurrently(run, feeds):
            yield values
            count += 1
    if not count:
        raise DataError("there are no calibration images; raise --calibration-images or give more shards")


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
