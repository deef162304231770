"""The network's input, scaled."""

from typing import Callable, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import scale


def test_a_scaled_input_reaches_all_that_use_it_and_nothing_else(
        run_graph: Callable[..., Sequence[np.ndarray]]) -> None:
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [2], name="images"), name="start")
        tf.add(start * 2.0, start, name="end")
        tf.identity(graph.get_tensor_by_name("images:0"), name="aside")
    feed = {"images:0": np.array([1.0, 3.0], np.float32)}

    scaled = scale.scale_input(graph.as_graph_def(), ["start"])

    for factor in (1.0, 1.5):
        end, aside = run_graph(scaled, ["end:0", "aside:0"], {**feed, f"{scale.FACTOR}:0": np.float32(factor)})
        np.testing.assert_array_equal(end, feed["images:0"] * np.float32(factor) * 3)
        np.testing.assert_array_equal(aside, feed["images:0"])
    with pytest.raises(GraphError, match="no op 'begin'"):
        scale.scale_input(graph.as_graph_def(), ["begin"])
    with pytest.raises(GraphError, match="nothing uses the starting op 'end'"):
        scale.scale_input(graph.as_graph_def(), ["end"])
