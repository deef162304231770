"""A network as AIMET sees it: layers, the order in which it meets them, where it leaves them."""

from typing import Callable, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import connected_graph
from quant_accuracy.graph.connected_graph import ConnectedGraph
from quant_accuracy.graph.network import Network


def _connected(build: Callable[[tf.Tensor], tf.Tensor], *others: str) -> ConnectedGraph:
    with tf.Graph().as_default() as graph:
        tf.identity(build(tf.placeholder(tf.float32, [1, 8, 8, 3], name="start")), name="end")
    return connected_graph.connect(Network(graph.as_graph_def(), ["start", *others], ["end"]))


def _conv(x: tf.Tensor, name: str) -> tf.Tensor:
    weights = tf.constant(np.ones([1, 1, int(x.shape[3]), 3], np.float32))
    return tf.nn.bias_add(tf.nn.conv2d(x, weights, 1, "SAME", name=f"{name}/Conv2D"),
                          tf.constant(np.ones(3, np.float32)), name=f"{name}/BiasAdd")


def _types(chains: Sequence[Sequence[connected_graph.ConnectedOp]]) -> List[List[str]]:
    return [[op.type for op in chain] for chain in chains]


def test_a_convolution_and_its_bias_are_one_op_that_ends_at_the_bias() -> None:
    graph = _connected(lambda x: tf.nn.relu(_conv(x, "net")))

    op = graph.ops[graph.owners["net/BiasAdd"]]
    assert (op.name, op.type, op.node, op.output) == ("net/Conv2D", "Conv2D", "net/Conv2D", "net/BiasAdd")
    assert graph.owners["net/Conv2D"] == op.name


def test_the_last_consumer_is_met_first() -> None:
    graph = _connected(lambda x: tf.nn.relu(x, name="first") + tf.nn.relu6(x, name="second"))

    assert list(graph.ops) == ["start", "second", "add", "end", "first"]
    assert graph.ops["start"].consumers == ("second", "first")


def test_the_inputs_of_a_product_are_in_the_order_of_the_op() -> None:
    graph = _connected(lambda x: tf.multiply(tf.nn.relu(x, "first"), tf.nn.relu6(x, "second"), "product"))

    assert graph.ops["product"].inputs == ("first", "second")


def test_a_layer_that_is_left_in_two_places_ends_where_the_walk_leaves_it_last() -> None:
    def gated(x: tf.Tensor) -> tf.Tensor:
        inner = tf.multiply(x, 2.0, name="inner")
        return tf.multiply(inner, tf.sigmoid(tf.nn.relu(inner), name="gate"), name="outer")

    graph = _connected(gated)

    # Two products in a row are a dropout to AIMET; it has no quantizer at `outer`.
    op = graph.ops[graph.owners["outer"]]
    assert (op.type, op.output, graph.owners["inner"]) == ("Dropout", "inner", op.name)


def test_two_layers_of_one_name_are_one_op() -> None:
    def scaled(x: tf.Tensor) -> tf.Tensor:
        for scope in ("a", "b"):
            x = tf.nn.relu(tf.multiply(tf.multiply(x, 2.0), 3.0, name=f"net/{scope}/mul_1"))
        return x

    graph = _connected(scaled)

    assert graph.owners["net/a/mul_1"] == graph.owners["net/b/mul_1"] == "net"


def test_a_fork_ends_a_chain_and_the_starting_op_is_in_none() -> None:
    def forked(x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.relu(_conv(x, "net"), name="relu")
        return tf.tanh(x) + tf.nn.relu6(x)

    chains = _types(_connected(forked).chains(2))

    assert ["Conv2D", "Relu"] in chains
    assert [chain for chain in chains if chain[0] in ("Relu", "Placeholder") and len(chain) > 1] == []


def test_where_two_ways_meet_only_the_first_goes_on() -> None:
    def joined(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.raw_ops.Add(x=tf.tanh(x), y=tf.sigmoid(x), name="sum"))

    # The sigmoid is made last, so AIMET comes by it.
    found = _types(_connected(joined).matches([["Sigmoid", "Add", "Relu"], ["Tanh", "Add", "Relu"]]))

    assert found == [["Sigmoid", "Add", "Relu"]]


def test_a_network_of_two_starting_ops_is_entered_at_both() -> None:
    def two(x: tf.Tensor) -> tf.Tensor:
        other = tf.placeholder(tf.float32, [1, 8, 8, 3], name="other")
        return tf.concat([tf.nn.relu(x), tf.tanh(other)], 3)

    graph = _connected(two, "other")

    assert [op.name for op in graph.ops.values() if op.starting] == ["start", "other"]
    assert {op.name for op in graph.ops.values() if op.entered} == {"Relu", "Tanh"}
