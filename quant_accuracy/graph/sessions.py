"""Sessions whose results do not depend on the number of cores, and the use of all cores none the less.

Every op runs on one thread, so float32 sums are always taken in the same order. Cores are kept busy by running several
batches at once.
"""

import contextlib
import os
from typing import Any, Callable, ContextManager, Iterator, Mapping, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.graph import callables, session_errors


def config() -> tf.ConfigProto:
    """One thread for an op, as many ops at once as there are cores."""
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=concurrency.cores())


def version() -> str:
    """TensorFlow's version as figures depend on it: from 2 on, sums also depend on whether oneDNN takes them."""
    found = str(tf.__version__)
    off = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() in ("0", "false")
    return f"{found} without oneDNN" if off and not found.startswith("1.") else found


class GraphSession:
    """A session whose errors are ours: one line that names the graph, the op and what to do. Threads may share it.

    Args:
        session: The session; who opened it closes it.
        label: Which graph it runs, for messages: `the float graph`.
    """

    def __init__(self, session: tf.Session, label: str) -> None:
        self._session, self._label = session, label

    def run(self, fetches: Any, feed: Optional[Mapping[str, np.ndarray]] = None) -> Any:
        """As `tf.Session.run`.

        Raises:
            GraphError: TensorFlow fails; an OutOfMemoryError for want of memory.
        """
        with self._translated():
            return self._session.run(fetches, feed)

    def make_callable(self, fetches: Sequence[str], feeds: Sequence[str]) -> Callable[..., Sequence[np.ndarray]]:
        """A function from one value for each of `feeds` to the values of `fetches`; it raises as `run` does."""
        with self._translated():
            call = callables.make(self._session, fetches, feeds)

        def run(*values: np.ndarray) -> Sequence[np.ndarray]:
            with self._translated():
                return call(*values)

        return run

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            ours = session_errors.of_run(error, self._label, self._session.graph)
            if ours is None:
                raise
            raise ours from error


@contextlib.contextmanager
def open_session(graph: tf.GraphDef, label: str = "the graph",
                 settings: Optional[tf.ConfigProto] = None) -> Iterator[GraphSession]:
    """A session on a graph of its own.

    Args:
        graph: The graph.
        label: Which one it is, for messages.
        settings: Of the session; `config()` if there are none.

    Raises:
        GraphError: TensorFlow cannot build the graph.
    """
    with tf.Graph().as_default() as scope:
        try:
            tf.import_graph_def(graph, name="")
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            raise session_errors.of_building(error, label) from error
    with session_of(scope, settings) as session:
        yield GraphSession(session, label)


def session_of(graph: tf.Graph, settings: Optional[tf.ConfigProto] = None) -> ContextManager[tf.Session]:
    """A session that a block closes, and that no block takes for its default one.

    Default sessions are a stack. A generator that is given up after an error leaves it in another order, and TensorFlow
    says so instead of what the error was.
    """
    return contextlib.closing(tf.Session(graph=graph, config=settings or config()))
