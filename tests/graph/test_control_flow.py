"""Ops in loops and branches, against the control flow contexts that TensorFlow keeps while it builds a graph."""

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import control_flow
from quant_accuracy.graph import nodes as graph_nodes


def _nested(images: tf.Tensor) -> tf.Tensor:
    weights = tf.get_variable("weights", [3], use_resource=True)

    def body(count: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        inner = tf.while_loop(lambda n, _: n < 2, lambda n, y: [n + 1, y * weights], [0, x])[1]
        return count + 1, tf.cond(tf.reduce_mean(inner) > 0, lambda: inner + 1.0, lambda: inner - weights)

    x = tf.while_loop(lambda count, _: count < 3, body, [0, images])[1]
    x = tf.cond(tf.reduce_mean(x) > 0, lambda: tf.cond(tf.reduce_max(x) > 1, lambda: x * 2.0, lambda: x), lambda: -x)
    return tf.map_fn(lambda image: image * weights, x) + weights


def test_ops_in_loops_and_branches_are_those_that_tensorflow_builds_in_a_context() -> None:
    with tf.Graph().as_default() as graph:
        tf.identity(_nested(tf.placeholder(tf.float32, [None, 4, 3])), name="end")
    found = control_flow.inside(graph_nodes.by_name(graph.as_graph_def()))
    wanted = {op.name for op in graph.get_operations() if op._get_control_flow_context() is not None}
    # TensorFlow counts these to the context that they enter or leave, wherever their outputs are.
    unclear = {op.name for op in graph.get_operations() if op.type in ("Exit", "Merge", "Switch", "Enter")}

    assert found - unclear == wanted - unclear
    assert len(found - unclear) > 50


def test_a_graph_without_control_flow_has_none() -> None:
    with tf.Graph().as_default() as graph:
        tf.identity(tf.constant(1.0) + 1.0)

    assert not control_flow.inside(graph_nodes.by_name(graph.as_graph_def()))


def test_what_leaves_a_loop_or_a_branch_is_outside() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [])
        tf.cond(x > 0, lambda: x, lambda: -x)
        tf.while_loop(lambda y: y < 3, lambda y: y + 1, [x])
    found = control_flow.inside(graph_nodes.by_name(graph.as_graph_def()))
    types = {op.name: op.type for op in graph.get_operations()}

    assert [name for name in types if types[name] in ("Exit", "Merge") and name not in found] == ["cond/Merge",
                                                                                                 "while/Exit"]
    assert {name for name in types if types[name] in ("Switch", "Enter", "NextIteration")} <= found
