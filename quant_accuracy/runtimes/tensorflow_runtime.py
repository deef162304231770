"""TensorFlow: the reference, which takes any graph."""

import contextlib
from typing import Iterator, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import TENSORFLOW
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.runtimes.contract import Feed, Run, Runtime


class TensorFlow(Runtime):
    """Runs a graph in a session of its own."""

    name = TENSORFLOW
    whole = True

    @property
    def version(self) -> str:
        """As installed: `1.15.5`."""
        return sessions.version()

    @contextlib.contextmanager
    def open(self, graph: tf.GraphDef, fetches: Sequence[str], label: str, fixed: bool = True) -> Iterator[Run]:
        """As `Runtime.open`."""
        wanted = [graph_nodes.tensor_of(fetch) for fetch in fetches]

        def run(feed: Feed) -> List[np.ndarray]:
            return list(session.run(wanted, feed))

        with sessions.open_session(graph, label) as session:
            yield run
