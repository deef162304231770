"""Means of each channel at the outputs of layers, over images and positions, summed in float64."""

from typing import Dict, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError
from quant_accuracy.graph import dtypes, sessions
from quant_accuracy.graph import nodes as graph_nodes

_SUMS = "quant_accuracy/channel_sums"


class Sums:
    """Sums of the channels of a tensor, to which values are added batch by batch.

    Args:
        tensor: The tensor, for messages.
    """

    def __init__(self, tensor: str) -> None:
        self._tensor, self._sums, self._values = tensor, np.zeros(1), 0

    def add(self, sums: np.ndarray, size: int) -> None:
        """Add float64 [channels] of so many values, all channels together."""
        self._sums, self._values = self._sums + sums, self._values + size // len(sums)

    def means(self) -> np.ndarray:
        """The means, float64 [channels].

        Raises:
            DataError: There were no images, or a channel is NaN or infinite.
        """
        if not self._values:
            raise DataError("there are no calibration images; raise --calibration-images or give more shards")
        if not np.isfinite(self._sums).all():
            raise DataError(f"{self._tensor} is NaN or infinite on the calibration images; a weight or a batch norm "
                            "before it makes it so: train or export the checkpoint again")
        return np.asarray(self._sums / self._values)


def means_of(tensor: str, batches: Sequence[np.ndarray]) -> np.ndarray:
    """The means of values that are here, [..., channels] each; otherwise as `means`."""
    total = Sums(tensor)
    for values in batches:
        total.add(values.reshape([-1, values.shape[-1]]).sum(axis=0, dtype=np.float64), values.size)
    return total.means()


def means(graph: tf.GraphDef, channels: Mapping[str, int], feeds: Sequence[Mapping[str, np.ndarray]],
          label: str) -> Dict[str, np.ndarray]:
    """The means of channels of some ops, float64 [channels], by op; values stay in the session.

    Args:
        graph: A frozen graph.
        channels: How many channels each op has; they are its last axis.
        feeds: What each batch feeds, by tensor.
        label: Which graph it is, for messages: `the float graph`.

    Raises:
        DataError: There are no images, or a channel is NaN or infinite.
        GraphError: An op is missing, or TensorFlow fails.
    """
    fetches = [[f"{_SUMS}/{output}/sum:0", f"{_SUMS}/{output}/size:0"] for output in channels]
    found = {output: Sums(f"{output}:0") for output in channels}
    with sessions.open_session(_with_sums(graph, channels), label) as session:
        for values in concurrency.run_concurrently(lambda feed: session.run(fetches, feed), feeds):
            for output, (sums, size) in zip(channels, values):
                found[output].add(sums, int(size))
    return {output: sums.means() for output, sums in found.items()}


def _with_sums(graph: tf.GraphDef, channels: Mapping[str, int]) -> tf.GraphDef:
    result, nodes = graph_nodes.subgraph(graph, list(channels)), graph_nodes.by_name(graph)
    for output, count in channels.items():
        name = f"{_SUMS}/{output}"
        shape, axis = (graph_nodes.const_node(f"{name}/{which}", np.array(value, np.int32))
                       for which, value in (("shape", [-1, count]), ("axis", [0])))
        cast = tf.NodeDef(name=f"{name}/double", op="Cast", input=[output])
        cast.attr["SrcT"].type = dtypes.of_tensor(nodes, output).as_datatype_enum
        cast.attr["DstT"].type = tf.float64.as_datatype_enum
        flat = tf.NodeDef(name=f"{name}/flat", op="Reshape", input=[cast.name, shape.name])
        flat.attr["Tshape"].type = tf.int32.as_datatype_enum
        total = tf.NodeDef(name=f"{name}/sum", op="Sum", input=[flat.name, axis.name])
        total.attr["Tidx"].type = tf.int32.as_datatype_enum
        size = tf.NodeDef(name=f"{name}/size", op="Size", input=[flat.name])
        size.attr["out_type"].type = tf.int64.as_datatype_enum
        for node in (flat, total, size):
            node.attr["T"].type = tf.float64.as_datatype_enum
        result.node.extend([shape, axis, cast, flat, total, size])
    return result
