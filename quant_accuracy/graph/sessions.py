"""Sessions whose results do not depend on the number of cores, and the use of all cores none the less.

Every op runs on one thread, so float32 sums are always taken in the same order. Cores are kept busy by running several
batches at once.
"""

import collections
import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, ContextManager, Deque, Iterable, Iterator, Mapping, Optional, Sequence, TypeVar

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import session_errors

Item = TypeVar("Item")
Result = TypeVar("Result")


# A property of the process, not of a call: every thread that helps has to see it.
_limit: Optional[int] = None


@contextlib.contextmanager
def limited_to(threads: Optional[int]) -> Iterator[None]:
    """Use no more than so many cores inside the block, for the sake of other processes; None sets no limit."""
    global _limit
    before, _limit = _limit, threads
    try:
        yield
    finally:
        _limit = before


def cores() -> int:
    """The number of cores that this process may use."""
    available = len(os.sched_getaffinity(0))
    return available if _limit is None else max(1, min(available, _limit))


def config() -> tf.ConfigProto:
    """One thread for an op, as many ops at once as there are cores."""
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=cores())


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
        """As `tf.Session.make_callable`; what it gives raises as `run` does."""
        with self._translated():
            call = self._session.make_callable(fetches, feeds)

        def run(*values: np.ndarray) -> Sequence[np.ndarray]:
            with self._translated():
                found: Sequence[np.ndarray] = call(*values)
                return found

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
def open_session(graph: tf.GraphDef, label: str = "the graph") -> Iterator[GraphSession]:
    """A session on a graph of its own; `label` says in messages which one it is.

    Raises:
        GraphError: TensorFlow cannot build the graph.
    """
    with tf.Graph().as_default() as scope:
        try:
            tf.import_graph_def(graph, name="")
        except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
            raise session_errors.of_building(error, label) from error
    with session_of(scope) as session:
        yield GraphSession(session, label)


def session_of(graph: tf.Graph) -> ContextManager[tf.Session]:
    """A session that a block closes, and that no block takes for its default one.

    Default sessions are a stack. A generator that is given up after an error leaves it in another order, and TensorFlow
    says so instead of what the error was.
    """
    return contextlib.closing(tf.Session(graph=graph, config=config()))


def run_concurrently(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on each item, in the items' order, computed on as many threads as there are cores.

    Only a few items are taken ahead, so that memory does not grow with their number. When `items` raises, the results
    of the items before it are given first.
    """
    source = iter(items)
    waiting: "Deque[Future[Result]]" = collections.deque()
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        try:
            while True:
                try:
                    while len(waiting) < 2 * cores():
                        waiting.append(pool.submit(work, next(source)))
                except StopIteration:
                    break
                yield waiting.popleft().result()
        except Exception:
            yield from _finished(waiting)
            raise
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        yield from _finished(waiting)


def _finished(waiting: "Deque[Future[Result]]") -> Iterator[Result]:
    while waiting:
        yield waiting.popleft().result()
