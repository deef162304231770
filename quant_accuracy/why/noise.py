"""The noise that quantizers bring into a network on one image: measured in one graph, kept as a file."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import arrays, sessions
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.names import GraphNames
from quant_accuracy.quantization import simulate, switches
from quant_accuracy.quantization.records import PARAM, Encodings, Quantizer

_FIELDS = {"own": np.float64, "signal": np.float64, "all_on": np.float64, "only_on": np.float64,
           "only_off": np.float64}
_OBSERVED = "quant_accuracy/observe"


class Network(NamedTuple):
    """What is measured.

    Attributes:
        graph: The frozen float graph, batch norms folded.
        names: Its inputs and outputs.
        quantizers: The placed quantizers; those that are on are measured.
        encodings: Their encodings by tensor name.
    """

    graph: tf.GraphDef
    names: GraphNames
    quantizers: Sequence[Quantizer]
    encodings: Encodings

    def measured(self) -> List[Quantizer]:
        """The quantizers that are on."""
        return switches.enabled(self.quantizers)


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


@contextlib.contextmanager
def open_meter(network: Network, groups: Sequence[Sequence[str]],
               ) -> Iterator[Callable[[np.ndarray, Callable[[], object]], Noise]]:
    """Give a function from an image, uint8 [1, height, width, 3], to its noise.

    The function's other argument is called after each of the `runs` of the network that an image takes.

    Args:
        network: What is measured.
        groups: Tensors whose quantizers are switched together.
    """
    measured = network.measured()
    tensors = [quantizer.tensor for quantizer in measured]
    outputs = list(simulate.network_outputs(network.names.output_ops, network.quantizers))
    observed = [[f"{_OBSERVED}/{index}/{which}:0" for which in ("signal", "noise")]
                for index, quantizer in enumerate(measured) if quantizer.kind != PARAM]
    fetches = [*outputs, *(name for pair in observed for name in pair)]
    graph = _with_observers(switches.insert_switches(network.graph, network.quantizers, network.encodings), network)
    params = _of_params(network)
    settings: List[List[str]] = [[], *([tensor for tensor in tensors if tensor not in group] for group in groups),
                                 *(list(group) for group in groups)]
    with sessions.open_session(graph_nodes.subgraph(graph, list(map(graph_nodes.op_of, fetches)))) as session:

        def run(image: np.ndarray, off: Sequence[str], wanted: Sequence[str]) -> List[np.ndarray]:
            feed = {network.names.image_input + ":0": image, **switches.all_but(network.quantizers, off)}
            return list(session.run(list(wanted), feed))

        def meter(image: np.ndarray, ran: Callable[[], object]) -> Noise:
            reference = run(image, tensors, fetches)
            ran()
            floats, own = reference[:len(outputs)], iter(np.reshape(reference[len(outputs):], [-1, 2]).tolist())
            noise = []
            for found in sessions.run_concurrently(lambda off: _difference(run(image, off, outputs), floats), settings):
                noise.append(found)
                ran()
            all_on, only_on, only_off = np.split(np.array(noise), [1, 1 + len(groups)])
            return Noise(np.array([params.get(tensor) or next(own) for tensor in tensors], np.float64),
                         np.array([_power(values) for values in floats]), all_on[0], only_on, only_off)

        yield meter


def singles(network: Network) -> List[List[str]]:
    """Each quantizer as a group of its own."""
    return [[quantizer.tensor] for quantizer in network.measured()]


def runs(groups: Sequence[Sequence[str]]) -> int:
    """How often the network runs for an image."""
    return 2 + 2 * len(groups)


def layers(network: Network) -> Dict[str, tf.NodeDef]:
    """The op that each quantizer belongs to, by tensor name; a BiasAdd belongs to the op before it."""
    nodes, uses = graph_nodes.by_name(network.graph), graph_nodes.uses(network.graph.node)
    found = {}
    for quantizer in network.measured():
        node = uses[quantizer.tensor][0].node if quantizer.kind == PARAM else nodes[graph_nodes.op_of(quantizer.tensor)]
        found[quantizer.tensor] = nodes[graph_nodes.op_of(node.input[0])] if node.op == "BiasAdd" else node
    return found


def _with_observers(graph: tf.GraphDef, network: Network) -> tf.GraphDef:
    """The graph with signal and noise of each activation quantizer at its own tensor, in half squared sums."""
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for index, quantizer in enumerate(network.measured()):
        if quantizer.kind == PARAM:
            continue
        name, tensor = f"{_OBSERVED}/{index}", graph_nodes.op_of(quantizer.tensor)
        quantized = simulate.fake_quant(quantizer, network.encodings[quantizer.tensor][0])
        quantized.name = f"{name}/quantized"
        result.node.extend([quantized, graph_nodes.float_node(f"{name}/difference", "Sub", [tensor, quantized.name]),
                            graph_nodes.float_node(f"{name}/signal", "L2Loss", [tensor]),
                            graph_nodes.float_node(f"{name}/noise", "L2Loss", [f"{name}/difference"])])
    return result


def _of_params(network: Network) -> Dict[str, Tuple[float, float]]:
    """Signal and noise of each weight, by tensor name."""
    graphs = network.graph, simulate.quantize_weights(network.graph, network.quantizers, network.encodings)
    before, after = map(graph_nodes.by_name, graphs)
    found = {}
    for quantizer in network.measured():
        if quantizer.kind == PARAM:
            weight = graph_nodes.constant(before, quantizer.tensor)
            found[quantizer.tensor] = (_power(weight), _power(graph_nodes.constant(after, quantizer.tensor) - weight))
    return found


def _difference(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> List[float]:
    return [_power(a - b) for a, b in zip(found, wanted)]


def _power(values: np.ndarray) -> float:
    flat = values.ravel().astype(np.float64)
    return float(flat @ flat)
