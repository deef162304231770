"""From a simulation to TFLite's integer model, by TensorFlow's own converter.

8-bit asymmetric encodings are TFLite's uint8 scheme: a value is `scale * (q - zero_point)`, the zero point what AIMET
calls the offset, with the other sign. The converter takes ranges from fake-quant ops, so the graph that it is given has
one behind every tensor that is quantized, weights included. What it makes of other tensors is its own affair, and for
`parameters` to find out.
"""

import contextlib
import os
import re
import sys
import sysconfig
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Iterator, List, Mapping, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.base import quiet_import
from quant_accuracy.base.errors import ConfigurationError, GraphError, UnsupportedError, first_line
from quant_accuracy.device import tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.device.tflite_inputs import Input
from quant_accuracy.freezing.predicates import PLACEHOLDERS
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.configuration import BIAS
from quant_accuracy.quantization.records import ACTIVATION, Quantization, Quantizer

MODEL = "model.tflite"
# Kernels that move integers and do not rescale them: what they give has the grid of what they take.
_MOVING = {"MaxPool", "AvgPool", "Reshape", "Squeeze", "ExpandDims", "Transpose", "Pad", "Slice", "StridedSlice",
           "ResizeNearestNeighbor", "ResizeBilinear", "DepthToSpace", "SpaceToDepth", "SpaceToBatchND",
           "BatchToSpaceND", "Identity"}
_REMEDY = "leave --device tflite out, or measure on a device of your own with --device-outputs"
# The converter's words, TensorFlow 1.15.
_NO_RANGE = re.compile(r"Array (\S+?),? .*?lacking min/max data")
_FATAL = re.compile(r"^.*\bF \S+\] (.+)$", re.M)
# What the converter puts where integers end.
_TO_FLOAT = "DEQUANTIZE"
_path_lock = threading.Lock()


def with_ranges(job: Job, inputs: Sequence[Input]) -> tf.GraphDef:
    """The network alone, for one image, with a fake-quant op behind the tensors that enabled quantizers have.

    Weights stand on their grids already, and biases, where they are quantized, have no op of their own: TFLite's are of
    32 bits. The inputs' grids are told to the converter in another way. What a kernel only moves keeps the grid that it
    has: with another one the interpreter would refuse it, or take each integer for another value.

    Raises:
        GraphError: A tensor is missing, or the network also takes something that does not come from its starting ops.
    """
    # What the simulation does to activations, the converter wants for weights, too.
    ranged = [replace(q, kind=ACTIVATION) for q in _ranged(job)]
    weights = simulate.quantize_weights(job.graph, job.quantization)
    graph = simulate.insert_fake_quant(weights, Quantization(ranged, job.quantization.encodings))
    whole = tf.GraphDef(versions=graph.versions)
    placeholders = {graph_nodes.op_of(item.tensor): _placeholder(item) for item in inputs}
    for node in graph.node:
        whole.node.add().CopyFrom(placeholders.get(node.name, node))
    cut = graph_nodes.subgraph(whole, outputs(job))
    for node in cut.node:
        if node.op in PLACEHOLDERS and node.name not in placeholders:
            raise GraphError(f"the network takes {node.name!r} besides its starting ops; name all ways into the "
                             "network in starting_op of the model card")
    return cut


def outputs(job: Job) -> List[str]:
    """The ops of that graph which give the network's outputs, in the order of its output ops."""
    ranged = Quantization(_ranged(job), job.quantization.encodings)
    return [graph_nodes.op_of(tensor) for tensor in simulate.network_outputs(job.names.output_ops, ranged)]


def _ranged(job: Job) -> List[Quantizer]:
    """The quantizers whose ranges the converter is told by a fake-quant op."""
    starts = {f"{name}:0" for name in job.names.starting_ops}
    wanted = [q for q in job.quantization.enabled() if q.role != BIAS and q.tensor not in starts]
    known = starts | {q.tensor for q in wanted}
    nodes = graph_nodes.by_name(job.graph)
    return [q for q in wanted if not _moved(nodes, q.tensor, known)]


def _moved(nodes: Mapping[str, tf.NodeDef], tensor: str, known: Set[str]) -> bool:
    """Whether a tensor is only moved from another one that has a grid."""
    node = nodes.get(graph_nodes.op_of(tensor))
    for _ in nodes:
        if node is None or node.op not in _MOVING or graph_nodes.is_constant(nodes, node.name):
            return False
        taken = graph_nodes.tensor_of(node.input[0])
        if taken in known:
            return True
        node = nodes.get(graph_nodes.op_of(taken))
    return False


def _placeholder(item: Input) -> tf.NodeDef:
    node = tf.NodeDef(name=graph_nodes.op_of(item.tensor), op="Placeholder")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(item.shape).as_proto())
    return node


def convert(graph: tf.GraphDef, inputs: Sequence[Input], outputs: Sequence[str]) -> bytes:
    """The integer model of a graph with ranges, as `with_ranges` makes it.

    Raises:
        ConfigurationError: A tensor inside the network has no range.
        UnsupportedError: The converter does not take the graph.
    """
    ops = [graph_nodes.op_of(item.tensor) for item in inputs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(graph.SerializeToString(deterministic=True))
        try:
            with _converter_on_path(), quiet_import.without_noise():
                converter = tf.lite.TFLiteConverter.from_frozen_graph(str(path), ops, list(outputs))
                converter.inference_type = tf.uint8
                converter.quantized_input_stats = {op: (item.mean, item.std) for op, item in zip(ops, inputs)}
                return bytes(converter.convert())
        except Exception as error:  # it raises classes of its own, and whatever building a graph raises
            raise _refused(error) from error


def require_integers(model: bytes) -> None:
    """Check that integer kernels run all of a model: the converter of TensorFlow 2 goes on in float32 without a word.

    Raises:
        ConfigurationError: They do not; the first op in floating point is named.
    """
    contents = tflite_tensors.parse(model)
    for op in contents.ops:
        outputs = [contents.tensors[index] for index in op.outputs]
        if op.type != _TO_FLOAT and any(tensor.dtype.startswith("float") for tensor in outputs):
            raise _without_range(outputs[0].name.split(";")[0])


def _without_range(name: str) -> ConfigurationError:
    return ConfigurationError(f"--device tflite: nothing quantizes {name}, and TFLite's integer kernels need a range "
                              "for it; switch its quantizer on (quantization: overrides in the model card, or the "
                              "quantizer configuration), or leave --device tflite out")


def _refused(error: Exception) -> Exception:
    """What to raise where the converter fails."""
    text = str(error)
    missing = _NO_RANGE.search(text)
    if missing:
        return _without_range(missing.group(1))
    fatal = _FATAL.search(text)
    return UnsupportedError(f"TensorFlow {tf.__version__}'s converter does not make an integer model of this network "
                            f"({fatal.group(1) if fatal else first_line(error)}); {_REMEDY}")


@contextlib.contextmanager
def _converter_on_path() -> Iterator[None]:
    """Let TensorFlow 1.15 find its converter: a program beside Python's, which it starts by its bare name."""
    places = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    with _path_lock:
        before = os.environ.get("PATH", "")
        os.environ["PATH"] = os.pathsep.join([*places, before])
        try:
            yield
        finally:
            os.environ["PATH"] = before
