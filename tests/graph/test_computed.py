"""Weights that are computed from constants."""

from typing import Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import computed
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement
from quant_accuracy.quantization.records import Settings
from tests.conftest import Run
from tests.support.networks import VALUES, constant, weighted


@pytest.mark.parametrize("weights", [
    lambda _: tf.transpose(tf.constant(VALUES), name="computed"),
    lambda _: tf.multiply(tf.nn.l2_normalize(tf.constant(VALUES), 0), np.float32([1, 2, 3, 4]), name="computed"),
], ids=["transposed", "normalized"])
def test_weights_that_are_computed_from_constants_are_quantized_as_what_they_are(
        weights: Callable[[tf.Tensor], tf.Tensor], run_graph: Run) -> None:
    graph = weighted(weights)
    stored = computed.store_weights(Network(graph, "start", ["end"]))
    placed = placement.place_quantizers(Network(stored, "start", ["end"]), Settings())

    (encoding,) = calibrate.calibrate_params(stored, placed, Settings())["computed:0"]

    (values,) = run_graph(graph, ["computed:0"], {})
    assert encoding.minimum <= values.min() + encoding.scale
    assert encoding.maximum >= values.max() - encoding.scale
    np.testing.assert_array_equal(constant(stored, "computed"), values)


def test_weights_that_are_split_stay_split(run_graph: Run) -> None:
    """Of several outputs one alone is asked for at first, and a constant would have no other."""
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [4, 4], name="start")
        first, second = tf.split(tf.constant(VALUES), 2, axis=1, name="halves")
        tf.add(tf.matmul(start, first), tf.matmul(start, second), name="end")
    stored = computed.store_weights(Network(graph.as_graph_def(), "start", ["end"]))

    (found,) = run_graph(stored, ["end:0"], {"start:0": VALUES})
    np.testing.assert_array_equal(found, VALUES @ VALUES[:, :2] + VALUES @ VALUES[:, 2:])


def test_a_single_text_is_an_array_as_numbers_are() -> None:
    with tf.Graph().as_default() as graph:
        tf.constant("the message of an Assert", name="text")
        tf.constant(np.float32(2), name="number")

    found = computed.values(graph.as_graph_def(), ["text", "number"])

    assert [(value.shape, value.dtype.kind) for value in found.values()] == [((), "S"), ((), "f")]
