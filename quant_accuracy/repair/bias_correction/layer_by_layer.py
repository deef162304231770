"""A network computed layer after layer, each layer settled before the next one runs.

What settled layers give is kept for all images, so that an op runs about once for each image and not once for each
layer behind it.
"""

import contextlib
from typing import Dict, Iterator, List, Mapping, Sequence, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.repair.bias_correction.biases import Layer

# Bytes. What does not fit is computed again, from what is there.
_MOST_KEPT = 1 << 30


class LayerByLayer:
    """Runs layers in their order.

    Args:
        session: A session on the graph.
        graph: The graph; its biases may be changed on the way.
        layers: The layers, in the order in which the network runs.
        feeds: What each batch feeds, by tensor.
        most_kept: How many bytes may be kept.
    """

    def __init__(self, session: sessions.GraphSession, graph: tf.GraphDef, layers: Sequence[Layer],
                 feeds: Sequence[Mapping[str, np.ndarray]], most_kept: int = _MOST_KEPT) -> None:
        self._session, self._nodes, self._feeds = session, graph_nodes.by_name(graph), feeds
        outputs = {layer.output for layer in layers}
        self._last_read: Dict[str, str] = {}
        for layer in layers:
            self._last_read.update((output, layer.name) for output in self._read(layer, outputs))
        self._kept: Dict[str, List[np.ndarray]] = {}
        self._biases: Dict[str, np.ndarray] = {}
        self._left = most_kept

    def before_bias(self, layer: Layer) -> List[np.ndarray]:
        """What the layer gives before its bias is added, for each batch."""
        fetch = graph_nodes.tensor_of(self._nodes[layer.output].input[0])
        fixed = {f"{name}:0": bias for name, bias in self._biases.items()}

        def run(number: int) -> np.ndarray:
            kept = {f"{output}:0": values[number] for output, values in self._kept.items()}
            return np.asarray(self._session.run(fetch, {**self._feeds[number], **fixed, **kept}))

        return list(concurrency.run_concurrently(run, range(len(self._feeds))))

    def settle(self, layer: Layer, bias: np.ndarray, before_bias: Sequence[np.ndarray]) -> None:
        """Go on with a bias, given what `before_bias` gave."""
        self._biases[layer.bias] = bias
        for output in [output for output in self._kept if self._last_read.get(output) == layer.name]:
            self._left += sum(values.nbytes for values in self._kept.pop(output))
        size = sum(values.nbytes for values in before_bias)
        if layer.output in self._last_read and size <= self._left:
            self._left -= size
            self._kept[layer.output] = [values + bias for values in before_bias]

    def _read(self, layer: Layer, outputs: Set[str]) -> Set[str]:
        """The outputs of layers that a layer reads without another layer between."""
        start = graph_nodes.op_of(self._nodes[layer.output].input[0])
        reached = graph_nodes.reach([start], lambda name: [] if name in outputs
                                    else map(graph_nodes.op_of, self._nodes[name].input))
        return reached & outputs


@contextlib.contextmanager
def running(graph: tf.GraphDef, layers: Sequence[Layer], feeds: Sequence[Mapping[str, np.ndarray]],
            label: str) -> Iterator[LayerByLayer]:
    """A network to be run layer by layer, whose session ends with the block.

    Args:
        graph: A frozen graph.
        layers: As for `LayerByLayer`.
        feeds: What each batch feeds, by tensor.
        label: Which graph it is, for messages: `the quantized graph`.

    Raises:
        GraphError: TensorFlow cannot build the graph.
    """
    settings = sessions.config()
    # Every layer is a run of its own, and optimizing takes longer than running.
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    needed = graph_nodes.subgraph(graph, [layer.output for layer in layers])
    with sessions.open_session(needed, label, settings) as session:
        yield LayerByLayer(session, needed, layers, feeds)


def fed(image_input: str, batch: Batch) -> Dict[str, np.ndarray]:
    """What a batch feeds, by tensor."""
    given = batch if isinstance(batch, Mapping) else {image_input: batch}
    return {graph_nodes.tensor_of(name): np.asarray(value) for name, value in given.items()}
