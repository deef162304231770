"""OpenVINO: reads a network's GraphDef as it is, and computes it in float32 on CPUs.

Simulated quantization stays simulated: without `LP_TRANSFORMS_MODE` OpenVINO would turn fake-quant ops into integer
kernels, whose outputs differ from the simulation's by as much as quantization itself.
"""

import contextlib
import functools
import importlib
import importlib.util
import queue
import re
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import GraphError, OutOfMemoryError, UnsupportedError, first_line
from quant_accuracy.base.words import OPENVINO
from quant_accuracy.graph import dtypes
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.runtimes import wide_quantizers
from quant_accuracy.runtimes.contract import Feed, Run, Runtime

_FETCH = "quant_accuracy/fetch"
# What OpenVINO says of op types that it does not know: `No translator found for operation(s): A, B`; since 2026
# `No conversion rule found for operations: A`.
_NO_TRANSLATOR = re.compile(r"(?i)no (?:translator|conversion rule) found for[^:]*:\s*([\w, ]+)")
_MEMORY = ("bad_alloc", "llocate memory", "ut of memory")
_REMEDY = "use --runtime tensorflow, which takes every graph"
_LONGEST = 200
# The last batch of a shard may be shorter than the others; sizes beyond these are compiled again when they come back.
_KEPT = 8


def installed() -> bool:
    """Whether OpenVINO can be imported."""
    return importlib.util.find_spec(OPENVINO) is not None


@functools.lru_cache(maxsize=None)
def _module() -> Any:
    module = importlib.import_module("openvino")
    # Up to 2023 the names are in a module of their own, which is gone since 2026.
    return module if hasattr(module, "Core") else importlib.import_module("openvino.runtime")


@functools.lru_cache(maxsize=None)
def _core() -> Any:
    return _module().Core()


@functools.lru_cache(maxsize=None)
def load() -> None:
    """Compile a network of one op: what an installation lacks shows here, and is not taken for a fault of a network.

    Raises:
        ImportError: OpenVINO is there and does not work, whatever it raises itself.
    """
    graph = tf.GraphDef()
    start = graph.node.add(name="start", op="Placeholder")
    start.attr["dtype"].type = tf.float32.as_datatype_enum
    start.attr["shape"].shape.CopyFrom(tf.TensorShape([1]).as_proto())
    graph.node.extend([graph_nodes.float_node("end", "Relu", ["start"])])
    try:
        assert OpenVino().version
        _core().compile_model(_read(graph), "CPU")
    except Exception as error:  # modules of another version of numpy, or half of an installation, raise any kind
        raise ImportError(_reason(error)) from error


class OpenVino(Runtime):
    """Runs networks in as many streams as there are cores, each on one thread.

    Args:
        integers: Let it turn fake-quant ops into integer kernels where it can.
    """

    name = OPENVINO

    def __init__(self, integers: bool = False) -> None:
        self._integers = integers

    @property
    def version(self) -> str:
        """As installed: `2023.1.0`."""
        return str(_module().get_version()).split("-")[0]

    @contextlib.contextmanager
    def open(self, graph: tf.GraphDef, fetches: Sequence[str], label: str, fixed: bool = True) -> Iterator[Run]:
        """As `Runtime.open`."""
        with contextlib.closing(_Network(graph, fetches, label, fixed, self._integers)) as network:
            yield network.run

    def layers(self, graph: tf.GraphDef, fetches: Sequence[str], label: str, feed: Feed) -> List["Layer"]:
        """How a graph that is fed so would be run, op by op; otherwise as `open`."""
        with contextlib.closing(_Network(graph, fetches, label, True, self._integers)) as network:
            return network.layers(feed)


class Layer(NamedTuple):
    """How OpenVINO runs an op.

    Attributes:
        type: Its own name of the type: `Convolution`.
        precision: Of what it takes: `FP32`, `U8`.
        kernel: What runs it: `brgconv_avx512_1x1_I8`.
    """

    type: str
    precision: str
    kernel: str


class _Compiled(NamedTuple):
    """A network for inputs of one shape: its outputs, and requests that wait for somebody to run them."""

    model: Any
    outputs: Sequence[Any]
    requests: "queue.Queue[Any]"


class _Network:
    """A network that is compiled for each shape of its inputs when that comes first."""

    def __init__(self, graph: tf.GraphDef, fetches: Sequence[str], label: str, fixed: bool, integers: bool) -> None:
        self._graph = _with_fetches(wide_quantizers.spell_out(graph), fetches)
        self._label, self._fixed, self._integers = label, fixed, integers
        self._count = len(fetches)
        self._compiled: Dict[Tuple[Any, ...], _Compiled] = {}
        self._lock = threading.Lock()

    def run(self, feed: Feed) -> List[np.ndarray]:
        """As `contract.Run`."""
        named = {graph_nodes.op_of(tensor): np.ascontiguousarray(value) for tensor, value in feed.items()}
        compiled = self._of_shapes(named)
        request = compiled.requests.get()
        try:
            # Not `infer`: some versions keep the interpreter's lock in it, and with that the other cores idle.
            request.start_async({f"{name}:0": value for name, value in named.items()})
            request.wait()
            return [request.get_tensor(output).data.copy() for output in compiled.outputs]
        except RuntimeError as error:
            raise _failed(error, self._label) from error
        finally:
            compiled.requests.put(request)

    def layers(self, feed: Feed) -> List[Layer]:
        """How the network is run for feeds of these shapes."""
        compiled = self._of_shapes({graph_nodes.op_of(tensor): value for tensor, value in feed.items()})
        found = []
        for op in compiled.model.get_runtime_model().get_ordered_ops():
            told = op.get_rt_info()
            found.append(Layer(*(_text(told[key]) for key in ("layerType", "runtimePrecision", "primitiveType"))))
        return found

    def close(self) -> None:
        """Give back its memory."""
        self._compiled.clear()

    def _of_shapes(self, feed: Dict[str, np.ndarray]) -> _Compiled:
        shapes = {name: _sides(value, self._fixed) for name, value in feed.items()}
        key = tuple(sorted(shapes.items()))
        with self._lock:
            if key not in self._compiled:
                if len(self._compiled) == _KEPT:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[key] = self._compile(shapes)
            return self._compiled[key]

    def _compile(self, shapes: Dict[str, Tuple[int, ...]]) -> _Compiled:
        graph = tf.GraphDef()
        graph.CopyFrom(self._graph)
        for node in _placeholders(graph):
            if node.name not in shapes:
                raise GraphError(f"{self._label}: nothing feeds the placeholder {node.name!r}; correct image_input and "
                                 "starting_op in the model card")
            node.attr["shape"].shape.CopyFrom(tf.TensorShape([None if side < 0 else side for side in
                                                              shapes[node.name]]).as_proto())
        cores = concurrency.cores()
        settings = {
            **({} if self._integers else {"LP_TRANSFORMS_MODE": "NO"}), "INFERENCE_PRECISION_HINT": "f32",
            # A thread for each stream, wherever the system puts it: processes that share a machine would all take the
            # first cores.
            "NUM_STREAMS": str(cores), "INFERENCE_NUM_THREADS": str(cores), "ENABLE_CPU_PINNING": "NO",
        }
        try:
            compiled = _core().compile_model(_read(graph), "CPU", settings)
            outputs = [compiled.output(f"{_FETCH}/{index}:0") for index in range(self._count)]
            requests: "queue.Queue[Any]" = queue.Queue()
            for _ in range(cores):
                requests.put(compiled.create_infer_request())
        except RuntimeError as error:
            raise _unsupported(error, self._label, graph) from error
        return _Compiled(compiled, outputs, requests)


def _text(told: Any) -> str:
    # Versions wrap what they tell of an op, each in its own way.
    return str(told.astype(str) if hasattr(told, "astype") else getattr(told, "value", told))


def _read(graph: tf.GraphDef) -> Any:
    # It reads graphs from files only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pb"
        path.write_bytes(graph.SerializeToString(deterministic=True))
        return _core().read_model(str(path))


def _with_fetches(graph: tf.GraphDef, fetches: Sequence[str]) -> tf.GraphDef:
    """The graph with an op of its own behind each tensor that is wanted: only what ends a graph is an output."""
    result, nodes = tf.GraphDef(versions=graph.versions, library=graph.library), graph_nodes.by_name(graph)
    result.node.extend(graph.node)
    for index, fetch in enumerate(fetches):
        op, _, output = graph_nodes.tensor_of(fetch).partition(":")
        end = result.node.add(name=f"{_FETCH}/{index}", op="Identity", input=[fetch])
        end.attr["T"].type = dtypes.output_dtype(nodes[op], int(output)).as_datatype_enum
    return result


def _placeholders(graph: tf.GraphDef) -> List[tf.NodeDef]:
    return [node for node in graph.node if node.op == "Placeholder"]


def _sides(value: np.ndarray, fixed: bool) -> Tuple[int, ...]:
    """The shape that a network is compiled for; -1 is any side: that of images of any size, but for their channels."""
    sides: Tuple[int, ...] = value.shape
    return sides if fixed or value.ndim < 3 else (*(-1 for _ in sides[:-1]), sides[-1])


def _failed(error: RuntimeError, label: str) -> GraphError:
    if any(word in str(error) for word in _MEMORY):
        return OutOfMemoryError(f"{label}: OpenVINO got no memory ({_reason(error)}); lower --eval-batch-size or "
                                "--threads, or use a machine with more memory; finished shards are kept")
    return UnsupportedError(f"{label}: OpenVINO fails ({_reason(error)}); {_REMEDY}")


def _unsupported(error: RuntimeError, label: str, graph: tf.GraphDef) -> GraphError:
    """What to raise where OpenVINO does not read or compile a graph: which op it does not take, and the remedy."""
    if any(word in str(error) for word in _MEMORY):
        return _failed(error, label)
    unknown = _NO_TRANSLATOR.search(str(error))
    types = [word.strip() for word in unknown.group(1).split(",")] if unknown else []
    named = [f"{node.op} {node.name!r}" for node in graph.node if node.op in types]
    what = f"the op {named[0]}" + (f" and {len(named) - 1} more" if len(named) > 1 else "") if named \
        else f"the graph ({_reason(error)})"
    return UnsupportedError(f"{label}: OpenVINO {OpenVino().version} does not take {what}; {_REMEDY}")


def _reason(error: Exception) -> str:
    """The last line of a message says why, those before it where in OpenVINO's own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else first_line(error)
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} ..."
