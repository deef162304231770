"""The value of a learning phase that means inference, whatever it is called and whatever its default is.

Most placeholders of a phase mean inference where nothing feeds them. One whose default is True, as AIMET's own test
models have it, or that says the opposite (`is_inference`) is told by what its branches hold: batch norms in training
mode, statistics of the batch, dropouts.
"""

from typing import Dict, Mapping, NamedTuple, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing import conds, moving_averages
from quant_accuracy.graph import nodes as graph_nodes

_CHANCE = ("RandomUniform", "RandomStandardNormal", "TruncatedNormal")


class _Settled(NamedTuple):
    """A graph with its phases settled, or why it cannot be, and how many ops for training its outputs need."""

    graph: Optional[tf.GraphDef]
    error: Optional[GraphError]
    for_training: float


def resolve(graph: tf.GraphDef, outputs: Sequence[str]) -> tf.GraphDef:
    """Settle every learning phase that some ops depend on to inference; otherwise as `conds.resolve`.

    A placeholder has its default, or False, unless the other value leaves fewer ops for training.

    Args:
        graph: A graph, frozen or not.
        outputs: Names of ops.

    Raises:
        GraphError: As `conds.resolve`.
    """
    best = _settled(graph, outputs, {})
    assumed: Dict[str, bool] = {}
    for name, value in conds.placeholders(graph, outputs).items() if best.for_training else ():
        other = _settled(graph, outputs, {**assumed, name: not value})
        # What is only there for training is not to be evaluated, whoever names it.
        if other.for_training < best.for_training and (best.graph is not None or not other.for_training):
            best, assumed[name] = other, not value
    if best.graph is None:
        raise best.error or GraphError("the phase cannot be settled")
    return best.graph


def _settled(graph: tf.GraphDef, outputs: Sequence[str], assumed: Dict[str, bool]) -> _Settled:
    try:
        settled = conds.resolve(graph, outputs, assumed)
    except GraphError as error:
        # An op that is to be evaluated is not in a branch for training, either.
        return _Settled(None, error, float("inf"))
    nodes = graph_nodes.by_name(settled)
    needed = [nodes[name] for name in graph_nodes.needed(nodes, outputs)]
    count = sum(node.op in _CHANCE or moving_averages.is_training(node) or _is_of_batch(nodes, node) for node in needed)
    return _Settled(settled, None, count)


def _is_of_batch(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> bool:
    """Whether a node gives a variance over the images of a batch; those within an image are no matter of training."""
    if node.op != "Mean" or len(node.input) < 2 \
            or nodes[graph_nodes.op_of(node.input[0])].op != "SquaredDifference":
        return False
    try:
        return 0 in graph_nodes.constant(nodes, node.input[1])
    except GraphError:
        return False
