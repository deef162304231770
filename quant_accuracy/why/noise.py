"""The noise that quantizers bring into a network on one image: measured in one graph, kept as a file."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import arrays, concurrency
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization import simulate, switches
from quant_accuracy.quantization.records import PARAM, Quantization, Quantizer

_FIELDS = {"own": np.float64, "signal": np.float64, "all_on": np.float64, "only_on": np.float64,
           "only_off": np.float64}
_OBSERVED = "quant_accuracy/observe"


class QuantizedGraph(NamedTuple):
    """What is measured.

    Attributes:
        graph: The frozen float graph, batch norms folded.
        names: Its inputs and outputs.
        quantization: Its quantizers and encodings; quantizers that are on are measured.
    """

    graph: tf.GraphDef
    names: GraphNames
    quantization: Quantization

    def measured(self) -> List[Quantizer]:
        """The quantizers that are on."""
        return self.quantization.enabled()


@dataclass(frozen=True)
class Noise:
    """Squared sums over an image, or over several; `q` quantizers that are on, `g` groups of them, `o` outputs.

    Attributes:
        own: float64 [q, 2] signal and noise at the quantizer's own tensor, an activation of the float network; of a
            param the same for every image.
        signal: float64 [o] of the float network's outputs.
        all_on: float64 [o] noise with all quantizers on.
        only_on: float64 [g, o] noise with one group on.
        only_off: float64 [g, o] noise with one group off.
    """

    own: np.ndarray
    signal: np.ndarray
    all_on: np.ndarray
    only_on: np.ndarray
    only_off: np.ndarray


def add(parts: Sequence[Noise]) -> Noise:
    """The sums over several images."""
    return Noise(**{name: np.sum([getattr(part, name) for part in parts], axis=0) for name in _FIELDS})


def save(path: Path, noise: Noise) -> None:
    """Write the noise of an image, whole or not at all."""
    arrays.save(path, {name: getattr(noise, name) for name in _FIELDS})


def load(path: Path, quantizers: int, groups: int) -> Noise:
    """Read the noise of an image.

    Raises:
        StorageError: The file is missing, damaged, or holds another number of quantizers or groups.
    """
    found = Noise(**arrays.load(path, _FIELDS, "noise"))
    outputs = len(found.signal)
    shapes = [(quantizers, 2), (outputs,), (outputs,), (groups, outputs), (groups, outputs)]
    for name, shape in zip(_FIELDS, shapes):
        if getattr(found, name).shape != shape:
            raise arrays.misshapen(path, name, getattr(found, name))
    return found


class Listener:
    """Listens to a network's outputs while groups of quantizers are switched, in one graph and one session.

    Both are made when they are needed first, and gone after the block of `listening`.

    Attributes:
        network: What is measured.
        seconds: What a run of the network took on the image that was measured last; 0 before.
    """

    def __init__(self, network: QuantizedGraph, stack: contextlib.ExitStack) -> None:
        self.network = network
        self.seconds = 0.0
        self._stack = stack
        self._session: Optional[sessions.GraphSession] = None
        self._outputs = list(simulate.network_outputs(network.names.output_ops, network.quantization))
        self._fetches = [*self._outputs, *(f"{_OBSERVED}/{index}/{which}:0" for index, quantizer in
                                           enumerate(network.measured()) if quantizer.kind != PARAM
                                           for which in ("signal", "noise"))]
        self._params: Dict[str, Tuple[float, float]] = {}

    def open(self) -> None:
        """Make graph and session, if they are not there yet."""
        if self._session is not None:
            return
        network = self.network
        graph = _with_observers(switches.insert_switches(network.graph, network.quantization), network)
        self._params = _of_params(network)
        needed = graph_nodes.subgraph(graph, list(map(graph_nodes.op_of, self._fetches)))
        self._session = self._stack.enter_context(
            sessions.open_session(needed, "the quantized graph with switches"))

    def measure(self, image: np.ndarray, groups: Sequence[Sequence[str]], ran: Callable[[], object]) -> Noise:
        """The noise of an image.

        Args:
            image: uint8 [1, height, width, 3].
            groups: Tensors whose quantizers are switched together.
            ran: Called after each of the `runs` of the network.
        """
        self.open()
        start = time.perf_counter()
        tensors = [quantizer.tensor for quantizer in self.network.measured()]
        reference = self._run(image, tensors, self._fetches)
        ran()
        outputs = len(self._outputs)
        floats, own = reference[:outputs], iter(np.reshape(reference[outputs:], [-1, 2]).tolist())
        settings: List[List[str]] = [[], *([tensor for tensor in tensors if tensor not in group] for group in groups),
                                     *(list(group) for group in groups)]
        noise = []
        for found in concurrency.run_concurrently(lambda off: _difference(self._run(image, off, self._outputs), floats),
                                               settings):
            noise.append(found)
            ran()
        self.seconds = (time.perf_counter() - start) / runs(groups)
        all_on, only_on, only_off = np.split(np.array(noise), [1, 1 + len(groups)])
        return Noise(np.array([self._params.get(tensor) or next(own) for tensor in tensors], np.float64),
                     np.array([_power(values) for values in floats]), all_on[0], only_on, only_off)

    def _run(self, image: np.ndarray, off: Sequence[str], wanted: Sequence[str]) -> List[np.ndarray]:
        assert self._session is not None
        feed = {self.network.names.image_input + ":0": image, **switches.all_but(self.network.quantization, off)}
        return list(self._session.run(list(wanted), feed))


@contextlib.contextmanager
def listening(network: QuantizedGraph) -> Iterator[Listener]:
    """A listener, whose session ends with the block."""
    with contextlib.ExitStack() as stack:
        yield Listener(network, stack)


def singles(network: QuantizedGraph) -> List[List[str]]:
    """Each quantizer as a group of its own."""
    return [[quantizer.tensor] for quantizer in network.measured()]


def runs(groups: Sequence[Sequence[str]]) -> int:
    """How often the network runs for an image."""
    return 2 + 2 * len(groups)


def _with_observers(graph: tf.GraphDef, network: QuantizedGraph) -> tf.GraphDef:
    """The graph with signal and noise of each activation quantizer at its own tensor, in half squared sums."""
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for index, quantizer in enumerate(network.measured()):
        if quantizer.kind == PARAM:
            continue
        name, tensor = f"{_OBSERVED}/{index}", graph_nodes.op_of(quantizer.tensor)
        quantized = simulate.fake_quant(quantizer, network.quantization.encodings[quantizer.tensor][0])
        quantized.name = f"{name}/quantized"
        result.node.extend([quantized, graph_nodes.float_node(f"{name}/difference", "Sub", [tensor, quantized.name]),
                            graph_nodes.float_node(f"{name}/signal", "L2Loss", [tensor]),
                            graph_nodes.float_node(f"{name}/noise", "L2Loss", [f"{name}/difference"])])
    return result


def _of_params(network: QuantizedGraph) -> Dict[str, Tuple[float, float]]:
    """Signal and noise of each weight, by tensor name."""
    graphs = network.graph, simulate.quantize_weights(network.graph, network.quantization)
    of_float, quantized = map(graph_nodes.by_name, graphs)
    found = {}
    for quantizer in network.measured():
        if quantizer.kind == PARAM:
            weight, on_grid = (graph_nodes.constant(nodes, quantizer.tensor) for nodes in (of_float, quantized))
            found[quantizer.tensor] = (_power(weight), _power(on_grid - weight))
    return found


def _difference(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> List[float]:
    return [_power(a - b) for a, b in zip(found, wanted)]


def _power(values: np.ndarray) -> float:
    flat = values.ravel().astype(np.float64)
    return float(flat @ flat)
