"""Means of channels that follow from batch norms."""

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.repair.bias_correction import statistics
from quant_accuracy.repair.bias_correction.statistics import Statistics


def test_means_pass_additions_and_clips_of_batch_norms_and_no_other_op() -> None:
    with tf.Graph().as_default() as graph:
        one, other = (tf.placeholder(tf.float32, [None, 2], name=name) for name in ("one", "other"))
        joined = tf.add(tf.identity(one), tf.nn.relu(other, name="relu"), name="joined")
        tf.nn.relu6(joined, name="clipped")
        tf.tanh(one, name="bent")
    nodes = graph_nodes.by_name(graph.as_graph_def())
    known = {"one": Statistics(np.array([1.0, 2.0]), np.ones(2)),
             "other": Statistics(np.array([-50.0, 50.0]), np.ones(2))}

    joined_means, clipped, bent = (statistics.of_tensor(nodes, name, known) for name in ("joined", "clipped", "bent"))

    assert isinstance(joined_means, Statistics)
    np.testing.assert_allclose(joined_means.mean, [1.0, 52.0])
    assert joined_means.deviation is None
    assert clipped == "Relu6 'clipped' clips what is no output of a batch norm"
    assert bent == "the means of Tanh 'bent' do not follow from batch norms"
