"""Sums of each channel at the outputs of layers, over images and positions, in float64."""

import contextlib
from typing import Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.calibrate import Batch

_SUMS = "quant_accuracy/channel_sums"


class Sums(NamedTuple):
    """Sums of the channels of a tensor.

    Attributes:
        sums: float64 [channels].
        count: How many values of each channel.
    """

    sums: np.ndarray
    count: int

    @property
    def means(self) -> np.ndarray:
        """float64 [channels]."""
        return self.sums / self.count


class Summing:
    """A graph whose channels are summed up, in one session.

    Args:
        session: A session on a graph that `summing` has made.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: Calibration images, as for `quantization.calibrate`.
    """

    def __init__(self, session: sessions.GraphSession, image_input: str, batches: Sequence[Batch]) -> None:
        self._session = session
        self._feeds = [_feed(image_input, batch) for batch in batches]

    def of(self, outputs: Sequence[str], constants: Optional[Mapping[str, np.ndarray]] = None) -> Dict[str, Sums]:
        """The sums of some ops over all images, by op.

        Args:
            outputs: The ops.
            constants: Values that some constants have instead of theirs, by name.

        Raises:
            DataError: There are no images, or a channel is NaN or infinite.
            GraphError: TensorFlow fails.
        """
        instead = {f"{name}:0": value for name, value in (constants or {}).items()}
        fetches = [[f"{_SUMS}/{output}/sum:0", f"{_SUMS}/{output}/size:0"] for output in outputs]
        found = {output: Sums(np.zeros(1), 0) for output in outputs}
        for values in concurrency.run_concurrently(lambda feed: self._session.run(fetches, {**feed, **instead}),
                                                   self._feeds):
            for output, (sums, size) in zip(outputs, values):
                before = found[output]
                found[output] = Sums(before.sums + sums, before.count + int(size) // sums.size)
        for output, of_output in found.items():
            if not of_output.count:
                raise DataError("there are no calibration images; raise --calibration-images or give more shards")
            if not np.isfinite(of_output.sums).all():
                raise DataError(f"{output}:0 is NaN or infinite on the calibration images; a weight or a batch norm "
                                "before it makes it so: train or export the checkpoint again")
        return found


@contextlib.contextmanager
def summing(graph: tf.GraphDef, channels: Mapping[str, int], image_input: str, batches: Sequence[Batch],
            label: str) -> Iterator[Summing]:
    """What sums up channels, whose session ends with the block.

    Args:
        graph: A frozen graph.
        channels: How many channels each op has whose sums may be wanted; they are its last axis.
        image_input: As for `Summing`.
        batches: As for `Summing`.
        label: Which graph it is, for messages: `the float graph`.

    Raises:
        GraphError: An op is missing, or TensorFlow cannot build the graph.
    """
    with sessions.open_session(_with_sums(graph, channels), label) as session:
        yield Summing(session, image_input, batches)


def _with_sums(graph: tf.GraphDef, channels: Mapping[str, int]) -> tf.GraphDef:
    result = graph_nodes.subgraph(graph, list(channels))
    for output, count in channels.items():
        name = f"{_SUMS}/{output}"
        shape, axis = (graph_nodes.const_node(f"{name}/{which}", np.array(value, np.int32))
                       for which, value in (("shape", [-1, count]), ("axis", [0])))
        cast = tf.NodeDef(name=f"{name}/double", op="Cast", input=[output])
        cast.attr["SrcT"].type = tf.float32.as_datatype_enum
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


def _feed(image_input: str, batch: Batch) -> Dict[str, np.ndarray]:
    given = batch if isinstance(batch, Mapping) else {image_input: batch}
    return {graph_nodes.tensor_of(name): np.asarray(value) for name, value in given.items()}
