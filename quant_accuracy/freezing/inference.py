"""The graph as it runs for inference: the learning phase settled, batch norms with moving averages, no dropout."""

from typing import Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.freezing import conds, dropouts, moving_averages


def to_inference(graph: tf.GraphDef, outputs: Sequence[str]) -> tf.GraphDef:
    """The same graph with nothing left in it, before the output ops, that is there for training.

    Args:
        graph: A graph whose variables are not constants yet.
        outputs: Names of ops.

    Raises:
        GraphError: An output op is missing or in a branch for training, or the moving averages of a batch norm in
            training mode are not known.
    """
    for step in (conds.resolve, moving_averages.resolve, dropouts.resolve):
        graph = step(graph, outputs)
    return graph
