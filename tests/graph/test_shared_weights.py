"""A constant that is read in several places, taken apart."""

from typing import List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import shared_weights
from tests.conftest import Run

_VALUES = np.arange(4, dtype=np.float32)


def _graph() -> tf.GraphDef:
    """One constant with two readers, one of them in a loop; and another with one reader that two ops use."""
    with tf.Graph().as_default() as graph:
        weights = tf.constant(_VALUES, name="weights")
        read = tf.identity(weights, name="read")
        tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x + tf.identity(weights, name="inner")),
                      [0, tf.zeros([4])])
        tf.add(read, read, name="sum")
        alone = tf.identity(tf.constant(_VALUES, name="other"), name="alone")
        tf.add(alone, alone, name="twice")
        tf.identity(graph.get_tensor_by_name("while/Exit_1:0"), name="looped")
    return graph.as_graph_def()


def _changed(graph: tf.GraphDef, tensor: str, run_graph: Run) -> List[List[float]]:
    """What `sum` and `looped` are once the constant behind a tensor has other values."""
    split = shared_weights.split(graph, [tensor])
    constant = graph_nodes.constant_node(graph_nodes.by_name(split), tensor).name
    result = tf.GraphDef(versions=split.versions)
    for node in split.node:
        changed = graph_nodes.const_node(constant, 10 * _VALUES) if node.name == constant else node
        result.node.add().CopyFrom(changed)
    return [value.tolist() for value in run_graph(result, ["sum:0", "looped:0"], {})]


def test_each_reader_gets_its_own_values_also_inside_of_a_loop(run_graph: Run) -> None:
    graph, plain, changed = _graph(), (2 * _VALUES).tolist(), (20 * _VALUES).tolist()

    assert _changed(graph, "read:0", run_graph) == [changed, plain]
    assert _changed(graph, "while/inner:0", run_graph) == [plain, changed]


def test_a_constant_that_one_tensor_alone_reads_stays_as_it_is() -> None:
    graph = _graph()

    assert shared_weights.split(graph, ["alone:0"]) == graph
    assert shared_weights.split(graph, ["weights:0"]) == graph
    assert shared_weights.split(graph, ["read:0"]) != graph
    with pytest.raises(GraphError, match="sum:0 is computed by Add"):
        shared_weights.split(graph, ["sum:0"])
