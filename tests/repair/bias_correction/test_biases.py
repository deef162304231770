"""Layers and their biases in a graph."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.repair.bias_correction import biases
from tests.conftest import Run


def _without_biases() -> Network:
    """Convolution -> depthwise + bias -> dense with transposed weights -> dense, which gives the output."""
    random = np.random.RandomState(1)

    def values(*shape: int) -> tf.Tensor:
        return tf.constant(random.normal(size=shape).astype(np.float32))

    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [2, 4, 4, 3], name="images"), name="start")
        first = tf.nn.relu(tf.nn.conv2d(start, values(3, 3, 3, 4), 1, "SAME", name="first"))
        deep = tf.nn.depthwise_conv2d_native(first, values(3, 3, 4, 2), [1] * 4, "SAME", name="deep")
        shared = tf.constant(random.normal(size=8).astype(np.float32), name="shared")
        deep = tf.nn.bias_add(deep, shared, name="deep/BiasAdd") + shared
        dense = tf.matmul(tf.reduce_mean(deep, [1, 2]), values(5, 8), transpose_b=True, name="dense")
        tf.matmul(tf.nn.relu(dense), values(5, 2), name="end")
    return Network(graph.as_graph_def(), "start", ["end"])


def test_added_biases_are_zero_and_leave_the_function_to_the_bit(run_graph: Run) -> None:
    network = _without_biases()
    feed = {"images:0": np.random.RandomState(2).normal(size=[2, 4, 4, 3]).astype(np.float32)}

    layers = biases.add_biases(network)

    nodes = graph_nodes.by_name(layers.graph)
    assert [(layer.name, layer.output) for layer in layers.found] == [
        ("first", "bias_value_1"), ("deep", "deep/BiasAdd"), ("dense", "bias_value_3")]
    assert [graph_nodes.constant(nodes, layer.bias).shape for layer in layers.found] == [(4,), (8,), (5,)]
    assert [(left.layer, left.reason) for left in layers.left] == [("end", "it has no bias")]
    np.testing.assert_array_equal(run_graph(layers.graph, ["end:0"], feed)[0],
                                  run_graph(network.graph, ["end:0"], feed)[0])


def test_a_bias_that_something_else_reads_is_changed_for_its_layer_alone() -> None:
    network = _without_biases()

    layers = biases.find(network)
    (deep,) = layers.found
    changed = graph_nodes.by_name(biases.with_values(layers.graph, {deep.bias: np.ones(8, np.float32)}))

    assert graph_nodes.constant(changed, changed["deep/BiasAdd"].input[1]) == pytest.approx(np.ones(8))
    (addition,) = [node for node in changed.values() if node.op in ("Add", "AddV2")]
    np.testing.assert_array_equal(graph_nodes.constant(changed, addition.input[1]),
                                  graph_nodes.constant(network.nodes(), "shared"))
