"""OpenVINO's integer kernels: it makes them of fake-quant ops by itself, where their ranges allow it.

Its convolutions and matrix products take 8-bit weights without a zero point. A weight whose encoding is asymmetric gets
the symmetric grid of 255 steps that holds its range; left as it is, OpenVINO would compute its layer in float32 without
a word. Which kernels run is read from the compiled network, and none in integers is an error.
"""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import files
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import ConfigurationError, StorageError, UnsupportedError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import OPENVINO_INT8
from quant_accuracy.device.job import Job
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.configuration import BIAS
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Encodings, Quantization
from quant_accuracy.runtimes import openvino_runtime, partition
from quant_accuracy.runtimes.execution import Execution, open_graph
from quant_accuracy.runtimes.openvino_runtime import Layer, OpenVino

MODEL, _NETWORK = "network.pb", "network.json"
_LABEL = f"the {OPENVINO_INT8} network"
# Layers that have weights, by OpenVINO's names.
_LINEAR = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_INTEGERS = ("U8", "I8")


def require() -> None:
    """Say so where OpenVINO is not installed.

    Raises:
        ConfigurationError: It is not, or cannot be loaded.
    """
    if not openvino_runtime.installed():
        raise ConfigurationError(f"--device {OPENVINO_INT8}: OpenVINO is not installed; install it, or use --device "
                                 "tflite")
    try:
        openvino_runtime.load()
    except ImportError as error:
        raise ConfigurationError(f"--device {OPENVINO_INT8}: OpenVINO cannot be loaded ({error}); install it again, "
                                 "or use --device tflite") from error


def build(job: Job) -> None:
    """Leave the graph with ranges in the job's folder, once it is known that integer kernels run it.

    Raises:
        UnsupportedError: OpenVINO does not take it, or runs none of its layers in integers.
    """
    graph, outputs = with_ranges(job)
    image = np.full([1, job.height, job.width, 3], 128, np.uint8)
    runtime = OpenVino(integers=True)
    layers = _layers(runtime, graph, job.names, outputs, image)
    linear = [layer for layer in layers if layer.type in _LINEAR]
    # Versions write them in capitals or not.
    integers = [layer for layer in linear if layer.precision.upper() in _INTEGERS]
    if not integers:
        raise UnsupportedError(f"OpenVINO {runtime.version} runs none of {len(linear)} layers in integers; "
                               "use --device tflite, or measure without a device")
    symmetric = _symmetric(job.quantization)
    files.write_json(job.folder / _NETWORK, {
        "image_input": job.names.image_input, "starting_ops": list(job.names.starting_ops), "outputs": outputs,
        "layers": len(linear), "integers": len(integers), "weights": len(symmetric),
        "widened": max((ratio for _, ratio in symmetric.values()), default=1.0)})
    (job.folder / MODEL).write_bytes(graph.SerializeToString(deterministic=True))


def with_ranges(job: Job) -> Tuple[tf.GraphDef, List[str]]:
    """The float graph with a fake-quant op behind every quantized tensor, and the tensors of the network's outputs."""
    quantization = job.quantization
    encodings: Encodings = {**quantization.encodings,
                            **{name: (encoding,) for name, (encoding, _) in _symmetric(quantization).items()}}
    ranged = [replace(q, kind=ACTIVATION) for q in quantization.enabled() if q.role != BIAS]
    weights = simulate.own_weights(job.graph, quantization)
    biases = Quantization([q for q in quantization.quantizers if q.role == BIAS], encodings)
    graph = simulate.insert_fake_quant(simulate.quantize_weights(weights, biases), Quantization(ranged, encodings))
    return graph, list(simulate.network_outputs(job.names.output_ops, Quantization(ranged, encodings)))


def _symmetric(quantization: Quantization) -> Dict[str, Tuple[Encoding, float]]:
    """Encodings of weights in place of asymmetric ones, and how much larger their steps are."""
    found = {}
    for quantizer in quantization.enabled():
        if quantizer.kind != PARAM or quantizer.role == BIAS:
            continue
        (encoding,) = quantization.encodings[quantizer.tensor]
        if encoding.offset not in (-128, -127) or not encoding.symmetric:
            high = max(-encoding.minimum, encoding.maximum)
            scale = high / 127
            found[quantizer.tensor] = (Encoding(-high, high, scale, -127, 8, True), scale / encoding.scale)
    return found


def _layers(runtime: OpenVino, graph: tf.GraphDef, names: GraphNames, outputs: List[str],
            image: np.ndarray) -> List[Layer]:
    parts = partition.split(graph, names.starting_ops, [graph_nodes.op_of(output) for output in outputs], outputs)
    taken = list(parts.network.takes)
    with sessions.open_session(graph_nodes.subgraph(graph, [graph_nodes.op_of(tensor) for tensor in taken]),
                               "the float graph's preprocessing") as session:
        values = session.run(taken, {f"{names.image_input}:0": image})
    feed = {f"{parts.network.takes[tensor]}:0": value for tensor, value in zip(taken, values)}
    return runtime.layers(parts.network.graph, parts.network.gives, _LABEL, feed)


def notes(folder: Path) -> List[str]:
    """What OpenVINO does otherwise than the simulation, a line each."""
    told = _read(folder)
    lines = []
    if told["integers"] < told["layers"]:
        lines.append(f"{OPENVINO_INT8}: {told['integers']} of {told['layers']} layers with weights run in integers, "
                     "the others in float32: OpenVINO finds no quantizer that it can use at what they take")
    if told["weights"]:
        lines.append(f"{OPENVINO_INT8}: {told['weights']} weights have symmetric grids in place of their encodings, "
                     f"with steps up to {told['widened']:.3g} times as large: its kernels take no zero point of "
                     "weights (params: is_symmetric in the quantizer configuration simulates that)")
    return lines


@contextlib.contextmanager
def open_network(folder: Path) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the network's outputs, float32, for any thread.

    Raises:
        ConfigurationError: OpenVINO is not installed.
        StorageError: The folder's files are missing or damaged.
    """
    require()
    told = _read(folder)
    graph = read_graph(folder)
    outputs = [str(output) for output in told["outputs"]]
    execution = Execution(OpenVino(integers=True), told["starting_ops"], [graph_nodes.op_of(name) for name in outputs])
    with open_graph(execution, graph, outputs, _LABEL) as run:
        yield lambda images: run({f"{told['image_input']}:0": images})


def read_graph(folder: Path) -> tf.GraphDef:
    """The graph with ranges, as `build` left it.

    Raises:
        StorageError: It is missing or damaged.
    """
    try:
        return tf.GraphDef.FromString((folder / MODEL).read_bytes())
    except Exception as error:  # protobuf raises several kinds for damaged files
        raise StorageError(f"{folder / MODEL}: not readable ({error}); delete {folder}, it will be rebuilt") \
            from error


def _read(folder: Path) -> Mapping[str, Any]:
    try:
        found = read_json(folder / _NETWORK)
    except (OSError, ValueError) as error:
        raise StorageError(f"{folder / _NETWORK}: not readable ({error}); delete {folder}, it will be rebuilt") \
            from error
    assert isinstance(found, dict)
    return found
