"""A step of a session as a function: what it feeds and fetches is settled once, not with each call.

`tf.Session.make_callable` settles nothing where something is fed: each call is a `run`, whose bookkeeping in Python
takes longer than many a small step. TensorFlow's own callables, on which Keras builds too, do without it.
"""

import re
from typing import Callable, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf import config_pb2

_NODE = re.compile(r"\{\{node ([^\s}]+)\}\}")


def make(session: tf.Session, fetches: Sequence[str], feeds: Sequence[str]) -> Callable[..., List[np.ndarray]]:
    """Give a function from one value for each of `feeds` to the values of `fetches`; threads may share it.

    Args:
        session: Has to be open as long as the function is used.
        fetches: Names of tensors, none of which is fed.
        feeds: Names of tensors; what is fed is converted to their types.

    The function raises a `tf.errors.OpError`, as `tf.Session.run` does.
    """
    graph = session.graph
    options = config_pb2.CallableOptions()
    options.feed.extend(feeds)
    options.fetch.extend(fetches)
    call = session._make_callable_from_options(options)
    types = [graph.get_tensor_by_name(name).dtype.as_numpy_dtype for name in feeds]

    def run(*values: np.ndarray) -> List[np.ndarray]:
        try:
            return list(call(*map(np.asarray, values, types)))
        except tf.errors.OpError as error:
            raise _with_op(error, graph) from error

    return run


def in_this_thread() -> tf.ConfigProto:
    """A session's ops run in the thread that calls it: many small steps spend less on handing ops over than they do."""
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)


def _with_op(error: tf.errors.OpError, graph: tf.Graph) -> tf.errors.OpError:
    """The error with the op that its message names, as `tf.Session.run` raises it."""
    node = _NODE.search(error.message or "")
    if node is None:
        return error
    try:
        op = graph.get_operation_by_name(node.group(1))
    except (KeyError, ValueError):
        # An op that TensorFlow added itself.
        return error
    return type(error)(op.node_def, op, error.message)  # type: ignore[call-arg]
