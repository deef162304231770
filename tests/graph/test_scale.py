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


def test_all_starting_ops_are_scaled_by_one_factor(run_graph: Callable[..., Sequence[np.ndarray]]) -> None:
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [2], name="images")
        large, small = tf.add(pixels, 1.0, name="large"), tf.subtract(pixels, 4.0, name="small")
        tf.add(tf.concat([large, small], 0), large[0], name="end")
    feed = {"images:0": np.array([1.0, 3.0], np.float32)}

    scaled = scale.scale_input(graph.as_graph_def(), ["large", "small"])

    (end,) = run_graph(scaled, ["end:0"], {**feed, f"{scale.FACTOR}:0": np.float32(1.5)})
    np.testing.assert_array_equal(end, 1.5 * (np.array([2.0, 4.0, -3.0, -1.0]) + 2.0))
    with pytest.raises(GraphError, match="nothing uses the starting op 'end'"):
        scale.scale_input(graph.as_graph_def(), ["large", "end"])
