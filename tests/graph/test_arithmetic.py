"""Values of constants."""

from typing import Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import arithmetic
from quant_accuracy.graph import nodes as graph_nodes
from tests.conftest import Run
from tests.support.batch_norms import CHANNELS, parameter


@pytest.mark.parametrize("build", [
    lambda: tf.rsqrt(tf.constant([-1.0])), lambda: tf.placeholder(tf.float32, [4]), lambda: tf.random_uniform([4]),
    lambda: tf.constant([1.0]) / tf.constant([0.0]),
], ids=["root of less than zero", "placeholder", "random", "by zero"])
def test_what_has_no_value_is_an_error(build: Callable[[], tf.Tensor]) -> None:
    with tf.Graph().as_default() as graph:
        name = build().name
    with pytest.raises(GraphError):
        arithmetic.value(graph_nodes.by_name(graph.as_graph_def()), name)


def test_the_value_of_constants_is_what_tensorflow_computes(run_graph: Run) -> None:
    with tf.Graph().as_default() as graph:
        a, b = parameter("a"), parameter("bb")
        c = tf.expand_dims(tf.squeeze(tf.reshape(-a, [1, CHANNELS]), [0]), 0)
        tf.add(tf.maximum(a * (b * tf.rsqrt(b + 1e-3)), tf.fill([CHANNELS], 0.5)) - tf.square(c) / tf.sqrt(b),
               tf.math.reciprocal(a) * tf.pow(a, b), name="end")
    definition = graph.as_graph_def()

    np.testing.assert_allclose(arithmetic.value(graph_nodes.by_name(definition), "end"),
                               run_graph(definition, ["end:0"], {})[0], rtol=1e-6)
