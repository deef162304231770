"""The largest value of each channel of some tensors, over calibration images."""

from typing import Dict, Iterable, List, Mapping

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.runtimes.execution import Execution, open_graph


def observe(graph: tf.GraphDef, channels: Mapping[str, int], image_input: str,
            batches: Iterable[Batch]) -> Dict[str, np.ndarray]:
    """The range of each channel: by op, float32 [2, channels], smallest and largest value of its output.

    Args:
        graph: A frozen graph.
        channels: The number of channels, the last axis, of each op that is observed.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: As for `quantization.calibrate`.

    Raises:
        DataError: There are no images, or a value is NaN or infinite.
        GraphError: An op or an input is missing.
    """
    if not channels:
        return {}
    extended = _with_extremes(graph, channels)
    fetches = [f"observe/{number}/{which}:0" for number in range(len(channels)) for which in ("min", "max")]
    found: List[np.ndarray] = []
    with open_graph(Execution(), extended, fetches, "the float graph, on calibration images") as run:
        for values in concurrency.run_concurrently(run, (feed(image_input, batch) for batch in batches)):
            found = [np.maximum(old, new) if number % 2 else np.minimum(old, new)
                     for number, (old, new) in enumerate(zip(found or values, values))]
    if not found:
        raise DataError("there are no calibration images; raise --calibration-images or give more shards")
    ranges = {name: np.stack(found[2 * number:2 * number + 2]) for number, name in enumerate(channels)}
    for name, values in ranges.items():
        if not np.isfinite(values).all():
            raise DataError(f"{name}:0 is NaN or infinite on the calibration images; a weight or a batch norm before "
                            "it makes it so: train or export the checkpoint again")
    return ranges


def feed(image_input: str, batch: Batch) -> Dict[str, np.ndarray]:
    """What a batch feeds, by tensor."""
    given = batch if isinstance(batch, Mapping) else {image_input: batch}
    return {graph_nodes.tensor_of(name): np.asarray(value) for name, value in given.items()}


def _with_extremes(graph: tf.GraphDef, channels: Mapping[str, int]) -> tf.GraphDef:
    result = graph_nodes.subgraph(graph, list(channels))
    result.node.append(graph_nodes.const_node("observe/axis", np.int32(0)))
    for number, (name, count) in enumerate(channels.items()):
        shape, flat = f"observe/{number}/shape", f"observe/{number}/flat"
        result.node.append(graph_nodes.const_node(shape, np.array([-1, count], np.int32)))
        reshape = graph_nodes.float_node(flat, "Reshape", [name, shape])
        reshape.attr["Tshape"].type = tf.int32.as_datatype_enum
        result.node.append(reshape)
        for which, op in (("min", "Min"), ("max", "Max")):
            reduction = graph_nodes.float_node(f"observe/{number}/{which}", op, [flat, "observe/axis"])
            reduction.attr["Tidx"].type = tf.int32.as_datatype_enum
            result.node.append(reduction)
    return result
