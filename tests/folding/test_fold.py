"""Folding batch norms on the demo and on small graphs."""

import json
from pathlib import Path
from typing import Callable, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.folding import fold
from quant_accuracy.graph.network import Network
from tests.conftest import Run
from tests.support.networks import small_network
from tests.support.places import REFERENCE

_ORACLE = json.loads((REFERENCE / "aimet_placement.json").read_text())
_OUTPUTS = ["concat:0", "concat_1:0"]


def _read(path: Path) -> tf.GraphDef:
    return tf.GraphDef.FromString(path.read_bytes())


def test_folded_and_unfolded_network_agree(demo_artifacts: Artifacts, image: np.ndarray, run_graph: Run) -> None:
    feed = {"image_tensor:0": image}

    unfolded = run_graph(_read(demo_artifacts.float_folder / "float.pb"), _OUTPUTS, feed)
    folded = run_graph(demo_artifacts.graph(FLOAT), _OUTPUTS, feed)

    for a, b in zip(unfolded, folded):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(a).max()


def test_every_batch_norm_of_the_demo_is_folded_as_aimet_folds(demo_artifacts: Artifacts) -> None:
    done = json.loads((demo_artifacts.float_folder / "fold.json").read_text())

    assert [[item["convolution"], item["batch_norm"]] for item in done["folded"]] == _ORACLE["folded"]
    assert not any(node.op.startswith("FusedBatchNorm") for node in demo_artifacts.graph(FLOAT).node)


def test_a_batch_norm_whose_convolution_is_read_elsewhere_is_left_with_the_reason() -> None:
    result = fold.fold_batch_norms(Network(small_network(tapped=True), "start", ["end"]))

    assert ["used elsewhere" in item.reason for item in result.not_folded] == [True]
    assert not result.folded


def test_a_kernel_that_another_convolution_reads_stays_as_it_is(run_graph: Run) -> None:
    graph = small_network(shared=True)
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}
    outputs = ["end:0", "net/other/Conv2D:0"]

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [item.convolution for item in result.folded] == ["net/Conv2D"]
    for folded, unfolded in zip(run_graph(result.graph, outputs, feed), run_graph(graph, outputs, feed)):
        np.testing.assert_allclose(folded, unfolded, rtol=1e-5, atol=1e-5)


def test_folding_a_small_network_keeps_its_output(run_graph: Run) -> None:
    graph = small_network()
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [item.output for item in result.folded] == ["bias_value_1"]
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=1e-5, atol=1e-5)


def _parameter(name: str, channels: int) -> tf.Tensor:
    values = np.random.RandomState(len(name)).uniform(0.5, 2.0, size=channels).astype(np.float32)
    return tf.identity(tf.constant(values, name=name), name=name + "/read")


def _norm(x: tf.Tensor, name: str = "norm") -> tf.Tensor:
    channels = int(x.shape[-1])
    parameters = [_parameter(f"{name}/{part}", channels) for part in ("gamma", "beta", "mean", "variance")]
    return tf.nn.fused_batch_norm(x, *parameters, is_training=False, name=name)[0]


def _kernel(*shape: int) -> tf.Tensor:
    return tf.constant(np.random.RandomState(0).normal(size=shape).astype(np.float32))


def _conv(x: tf.Tensor, padding: str = "SAME", size: int = 3, name: str = "net") -> tf.Tensor:
    return tf.nn.conv2d(x, _kernel(size, size, int(x.shape[3]), 4), 1, padding, name=f"{name}/Conv2D")


def _biased(x: tf.Tensor, padding: str = "SAME", name: str = "net") -> tf.Tensor:
    return tf.nn.bias_add(_conv(x, padding, name=name), _parameter(f"{name}/biases", 4), name=f"{name}/BiasAdd")


def _built(layers: Callable[[tf.Tensor], tf.Tensor]) -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        start = tf.nn.relu(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        tf.nn.relu6(layers(tf.tanh(start)), name="end")
    return graph.as_graph_def()


def _dense_behind(side: int) -> Callable[[tf.Tensor], tf.Tensor]:
    def layers(x: tf.Tensor) -> tf.Tensor:
        x = _norm(tf.image.resize_nearest_neighbor(x, [side, side]))
        product = tf.matmul(tf.reshape(x, [-1, side * side * 3]), _kernel(side * side * 3, 5), name="dense/MatMul")
        return tf.nn.bias_add(product, _parameter("dense/biases", 5), name="dense/BiasAdd")
    return layers


def _assert_folded(layers: Callable[[tf.Tensor], tf.Tensor], outputs: List[str], run_graph: Run) -> None:
    graph = _built(layers)
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [[item.output for item in result.folded], list(result.not_folded)] == [outputs, []]
    assert not any(node.op.startswith("FusedBatchNorm") for node in result.graph.node)
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("layers", "outputs"), [
    (lambda x: _conv(_norm(x), "VALID"), ["bias_value_1"]),
    (lambda x: _biased(_norm(x), "VALID"), ["net/BiasAdd"]),
    (lambda x: _conv(_norm(x), "SAME", 1), ["bias_value_1"]),
    (_dense_behind(1), ["dense/BiasAdd"]),
    # The one behind goes first, and the one before finds another convolution.
    (lambda x: _norm(_conv(tf.nn.relu(_norm(_conv(x), "first")), name="other"), "second"),
     ["bias_value_1", "bias_value_3"]),
], ids=["no bias", "bias", "one by one", "dense", "two behind"])
def test_a_batch_norm_before_or_behind_is_folded_where_that_is_exact(
        layers: Callable[[tf.Tensor], tf.Tensor], outputs: List[str], run_graph: Run) -> None:
    _assert_folded(layers, outputs, run_graph)


@pytest.mark.parametrize(("layers", "reason"), [
    (lambda x: _conv(_norm(x)), "pads images with zeros"),
    (lambda x: tf.nn.depthwise_conv2d_native(_norm(x), _kernel(3, 3, 3, 1), [1] * 4, "VALID", name="net/depthwise"),
     "one channel for all"),
    (_dense_behind(2), "statistics that are not there"),
    (lambda x: _norm(tf.nn.relu(_conv(x))), "it follows Relu"),
    (lambda x: _norm(tf.identity(_conv(x))), "through which AIMET 1.19.1 does not fold"),
], ids=["padding", "depthwise", "dense", "behind a relu", "behind an identity"])
def test_a_batch_norm_that_aimet_folds_inexactly_or_not_at_all_stays_with_the_reason(
        layers: Callable[[tf.Tensor], tf.Tensor], reason: str) -> None:
    result = fold.fold_batch_norms(Network(_built(layers), "start", ["end"]))

    assert [reason in item.reason for item in result.not_folded] == [True]
    assert not result.folded


def test_a_bias_of_the_convolutions_own_stays_where_it_is(run_graph: Run) -> None:
    _assert_folded(lambda x: _norm(_biased(x)), ["net/BiasAdd"], run_graph)


def test_convolutions_that_share_a_kernel_get_one_each(run_graph: Run) -> None:
    def pyramid(x: tf.Tensor) -> tf.Tensor:
        kernel = tf.identity(_kernel(3, 3, 3, 4), name="kernel/read")
        levels = [tf.nn.conv2d(x, kernel, stride, "SAME", name=f"level{stride}/Conv2D") for stride in (1, 2)]
        first, second = (_norm(tf.identity(level), f"norm{number}") for number, level in enumerate(levels))
        return tf.reduce_mean(first, [1, 2]) + tf.reduce_mean(second, [1, 2])

    _assert_folded(pyramid, ["bias_value_1", "bias_value_3"], run_graph)


def test_names_that_differ_in_case_alone_are_taken(run_graph: Run) -> None:
    def named(x: tf.Tensor) -> tf.Tensor:
        return _norm(_conv(tf.tanh(x, name="Bias_Value")))

    _assert_folded(named, ["bias_value_2"], run_graph)


@pytest.mark.parametrize("spelled", [False, True])
def test_a_convolution_before_the_starting_op_takes_no_batch_norm(spelled: bool) -> None:
    with tf.Graph().as_default() as graph:
        x = tf.identity(_conv(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images")), name="start")
        parts = [_parameter(f"norm/{part}", 4) for part in ("mean", "variance", "beta", "gamma")]
        tf.nn.relu(tf.nn.batch_normalization(x, *parts, 1e-3) if spelled else _norm(x), name="end")

    result = fold.fold_batch_norms(Network(graph.as_graph_def(), "start", ["end"]), spelled)

    assert (list(result.folded), len(result.not_folded)) == ([], 1)


def test_a_batch_norm_that_only_has_to_run_first_is_no_part_of_the_network(run_graph: Run) -> None:
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        beside = _norm(_conv(start, name="beside"), "waited_for")
        with tf.control_dependencies([beside]):
            tf.nn.relu(_norm(_conv(start)), name="end")

    result = fold.fold_batch_norms(Network(graph.as_graph_def(), "start", ["end"]))

    assert ([item.batch_norm for item in result.folded], list(result.not_folded)) == (["norm"], [])
    feed = {"images:0": np.ones([1, 8, 8, 3], np.float32)}
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0],
                               run_graph(graph.as_graph_def(), ["end:0"], feed)[0], rtol=1e-5, atol=1e-5)
