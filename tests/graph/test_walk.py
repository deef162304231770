"""The order of ops and of their consumers is that in which TensorFlow has them."""

import random
from typing import Callable, List, Set

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.walk import DataFlow, import_order


def _relu(one: tf.Tensor, *_: tf.Tensor) -> List[tf.Tensor]:
    return [tf.nn.relu(one)]


def _add(one: tf.Tensor, two: tf.Tensor, _: tf.Tensor) -> List[tf.Tensor]:
    return [one + two]


def _twice(one: tf.Tensor, *_: tf.Tensor) -> List[tf.Tensor]:
    return [one * one]


def _concat(*tensors: tf.Tensor) -> List[tf.Tensor]:
    return [tf.concat(tensors, 0)[:4]]


def _split(one: tf.Tensor, *_: tf.Tensor) -> List[tf.Tensor]:
    return [tf.concat([part, part], 0) for part in tf.split(one, 2)]


_LAYERS: List[Callable[..., List[tf.Tensor]]] = [_relu, _add, _twice, _concat, _split]


def _shuffled(seed: int) -> tf.GraphDef:
    """Ops that take one, two or three of those before them, two of them twice from one, in any order in the file."""
    generator = random.Random(seed)
    with tf.Graph().as_default() as graph:
        tensors = [tf.placeholder(tf.float32, [4], name="start")]
        for _ in range(40):
            layer = generator.choice(_LAYERS)
            tensors += layer(*(generator.choice(tensors[-6:]) for _ in range(3)))
        tf.add_n(tensors, name="end")
    nodes = list(graph.as_graph_def().node)
    generator.shuffle(nodes)
    return tf.GraphDef(node=nodes, versions=graph.as_graph_def().versions)


def _imported(graph: tf.GraphDef) -> tf.Graph:
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    return imported


@pytest.mark.parametrize("seed", range(8))
def test_ops_come_in_the_order_in_which_tensorflow_imports_them(seed: int) -> None:
    graph = _shuffled(seed)

    assert [node.name for node in import_order(graph)] == [op.name for op in _imported(graph).get_operations()]


@pytest.mark.parametrize("seed", range(8))
def test_consumers_come_in_the_order_of_tensorflow(seed: int) -> None:
    graph = _shuffled(seed)
    flow = DataFlow(graph)

    # With more consumers than eight TensorFlow keeps them in no order.
    for op in _imported(graph).get_operations():
        consumers = [consumer.name for output in op.outputs for consumer in output.consumers()]
        if len(consumers) <= 8:
            assert list(flow.consumers(op.name)) == consumers


@pytest.mark.parametrize("seed", range(8))
def test_depth_first_is_a_recursion_over_consumers_the_other_way_round(seed: int) -> None:
    flow = DataFlow(_shuffled(seed))
    done: List[str] = []
    seen: Set[str] = set()

    def visit(name: str) -> None:
        seen.add(name)
        for consumer in flow.consumers(name):
            if consumer not in seen:
                visit(consumer)
        done.append(name)

    visit("start")

    assert flow.depth_first(["start"]) == done[::-1]


def test_what_a_loop_brings_back_does_not_keep_it_from_being_entered() -> None:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [], name="start")
        tf.identity(tf.while_loop(lambda x: x < 8.0, lambda x: x * 2.0, [start]), name="end")
    document = graph.as_graph_def()

    assert {node.name for node in import_order(document)} == {node.name for node in document.node}


def test_control_inputs_give_no_data() -> None:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [], name="start")
        with tf.control_dependencies([start]):
            tf.constant(1.0, name="waits")
        tf.nn.relu(start, name="end")

    flow = DataFlow(graph.as_graph_def())

    assert (list(flow.consumers("start")), flow.between(["start"], ["end"])) == (["end"], {"start", "end"})
    assert graph_nodes.op_of("^start") == "start"
