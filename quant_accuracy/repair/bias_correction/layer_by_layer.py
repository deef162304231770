"""A network computed layer after layer, each layer settled before the next one runs.

What settled layers give is kept for all images, so that an op runs about once for each image and not once for each
layer behind it.
"""

import contextlib
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.calibrate import Batch

# Bytes. What does not fit is computed again, from what is there.
_MOST_KEPT = 1 << 30


class Stage(NamedTuple):
    """A layer, and the op that gives what it gives, behind its bias; both by name."""

    layer: str
    output: str


class LayerByLayer:
    """Runs layers in their order.

    Args:
        session: A session on the graph.
        graph: The graph; its constants may be changed on the way.
        stages: The layers, in the order in which the network runs.
        feeds: What each batch feeds, by tensor.
        most_kept: How many bytes may be kept.
    """

    def __init__(self, session: sessions.GraphSession, graph: tf.GraphDef, stages: Sequence[Stage],
                 feeds: Sequence[Mapping[str, np.ndarray]], most_kept: int = _MOST_KEPT) -> None:
        self._session, self._nodes, self._feeds = session, graph_nodes.by_name(graph), feeds
        outputs = {stage.output for stage in stages}
        self._last_read: Dict[str, str] = {}
        for stage in stages:
            self._last_read.update((output, stage.layer) for output in self._read(stage, outputs))
        self._kept: Dict[str, List[np.ndarray]] = {}
        self._constants: Dict[str, np.ndarray] = {}
        self._left = most_kept

    def run(self, fetch: str) -> Iterator[np.ndarray]:
        """A tensor for each batch, in their order, with all layers before it as they were settled."""
        fixed = {f"{name}:0": value for name, value in self._constants.items()}

        def run(number: int) -> np.ndarray:
            kept = {f"{output}:0": values[number] for output, values in self._kept.items()}
            return np.asarray(self._session.run(fetch, {**self._feeds[number], **fixed, **kept}))

        return concurrency.run_concurrently(run, range(len(self._feeds)))

    def settle(self, stage: Stage, constants: Mapping[str, np.ndarray],
               given: Optional[Iterable[np.ndarray]] = None) -> None:
        """Go on behind a layer.

        Args:
            stage: The layer.
            constants: New values of Consts, by name.
            given: What its output op gives for each batch; None to run it where a layer behind needs that.
        """
        self._constants.update(constants)
        values = [] if stage.output not in self._last_read else \
            list(self.run(f"{stage.output}:0") if given is None else given)
        for output in [output for output in self._kept if self._last_read.get(output) == stage.layer]:
            self._left += sum(value.nbytes for value in self._kept.pop(output))
        size = sum(value.nbytes for value in values)
        if values and size <= self._left:
            self._left -= size
            self._kept[stage.output] = values

    def _read(self, stage: Stage, outputs: Set[str]) -> Set[str]:
        """The outputs of layers that a layer reads without another layer between."""
        start = map(graph_nodes.op_of, self._nodes[stage.output].input)
        reached = graph_nodes.reach(start, lambda name: [] if name in outputs
                                    else map(graph_nodes.op_of, self._nodes[name].input))
        return reached & outputs


@contextlib.contextmanager
def running(graph: tf.GraphDef, stages: Sequence[Stage], feeds: Sequence[Mapping[str, np.ndarray]],
            label: str) -> Iterator[LayerByLayer]:
    """A network to be run layer by layer, whose session ends with the block.

    Args:
        graph: A frozen graph.
        stages: As for `LayerByLayer`.
        feeds: What each batch feeds, by tensor.
        label: Which graph it is, for messages: `the quantized graph`.

    Raises:
        GraphError: TensorFlow cannot build the graph.
    """
    settings = sessions.config()
    # Every layer is a run of its own, and optimizing takes longer than running.
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    needed = graph_nodes.subgraph(graph, [stage.output for stage in stages])
    with sessions.open_session(needed, label, settings) as session:
        yield LayerByLayer(session, needed, stages, feeds)


def fed(image_input: str, batch: Batch) -> Dict[str, np.ndarray]:
    """What a batch feeds, by tensor."""
    given = batch if isinstance(batch, Mapping) else {image_input: batch}
    return {graph_nodes.tensor_of(name): np.asarray(value) for name, value in given.items()}
