"""Networks run layer by layer."""

from typing import Dict, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.repair.bias_correction import biases
from quant_accuracy.repair.bias_correction.layer_by_layer import LayerByLayer, Stage
from tests.conftest import Run


def _branching() -> Network:
    """Three layers in a row, a fourth that also takes what the first one gives."""
    random = np.random.RandomState(1)

    def layer(tensor: tf.Tensor, name: str) -> tf.Tensor:
        kernel, bias = (random.normal(size=shape).astype(np.float32) for shape in ([3, 3, 4, 4], [4]))
        return tf.nn.bias_add(tf.nn.conv2d(tensor, kernel, 1, "SAME", name=name), bias, name=f"{name}/BiasAdd")

    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 6, 6, 4], name="images"), name="start")
        first = layer(start, "first")
        third = layer(tf.nn.relu(layer(tf.nn.relu(first), "second")), "third")
        tf.identity(layer(first + third, "fourth"), name="end")
    return Network(graph.as_graph_def(), "start", ["end"])


@pytest.mark.parametrize("most_kept", [0, 2 * 6 * 6 * 4 * 4, 1 << 20])
def test_each_layer_gives_what_it_gives_in_the_whole_network_however_much_is_kept(most_kept: int,
                                                                                  run_graph: Run) -> None:
    layers = biases.find(_branching())
    feeds = [{"images:0": np.random.RandomState(seed).normal(size=[1, 6, 6, 4]).astype(np.float32)} for seed in (0, 1)]
    changed: Dict[str, np.ndarray] = {}
    with sessions.open_session(layers.graph) as session:
        stages = [Stage(layer.name, layer.output) for layer in layers.found]
        run = LayerByLayer(session, layers.graph, stages, feeds, most_kept)
        for number, (layer, stage) in enumerate(zip(layers.found, stages)):
            found = list(run.run(f"{layer.name}:0"))
            whole = biases.with_values(layers.graph, changed)
            for values, feed in zip(found, feeds):
                np.testing.assert_allclose(values, run_graph(whole, [f"{layer.name}:0"], feed)[0], rtol=1e-5, atol=1e-5)
            changed[layer.bias] = np.full(4, 0.1 * number, np.float32)
            given = [values + changed[layer.bias] for values in found] if number % 2 else None
            run.settle(stage, {layer.bias: changed[layer.bias]}, given)


def test_what_was_kept_is_what_is_read_later() -> None:
    layers = biases.find(_branching())
    fetched = []

    class _Session(sessions.GraphSession):
        def run(self, fetches: object, feed: object = None) -> np.ndarray:
            assert isinstance(feed, dict)
            fetched.append((fetches, sorted(name for name in feed if name.endswith("BiasAdd:0"))))
            return np.zeros([1, 6, 6, 4], np.float32)

    feeds = [{"images:0": np.zeros([1, 6, 6, 4], np.float32)}]
    with tf.Session() as session:
        stages = [Stage(layer.name, layer.output) for layer in layers.found]
        run = LayerByLayer(_Session(session, "a graph"), layers.graph, stages, feeds)
        for layer, stage in zip(layers.found, stages):
            run.settle(stage, {layer.bias: np.zeros(4, np.float32)}, list(run.run(f"{layer.name}:0")))

    kept: Tuple[object, ...] = (
        ("first:0", []), ("second:0", ["first/BiasAdd:0"]), ("third:0", ["first/BiasAdd:0", "second/BiasAdd:0"]),
        ("fourth:0", ["first/BiasAdd:0", "third/BiasAdd:0"]))
    assert tuple(fetched) == kept
