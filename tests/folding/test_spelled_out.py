"""Batch norms that are spelled out in plain ops: found in all spellings, placed as AIMET does, folded if asked for."""

import json
from typing import Dict, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.folding import fold, spelled_out, unfolded
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import ACTIVATION, Settings
from tests.conftest import Run
from tests.support.batch_norms import CHANNELS, Layer, conv, network, parameter, spell_out
from tests.support.places import REFERENCE
from tests.support.slim import layers as contrib
from tests.support.slim import slim

_RANDOM = np.random.RandomState(0)
# The activation quantizers, on or off, that the real AIMET 1.19.1 has on these networks; or how it stops.
_AIMET = json.loads((REFERENCE / "aimet_spellings.json").read_text())


def _conv_with_bias(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(conv(x), parameter("net/biases"), name="net/BiasAdd")


def _depthwise(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, 3, 2, 2)).astype(np.float32), name="net/weights")
    return tf.nn.depthwise_conv2d_native(x[..., :2], weights, [1, 1, 1, 1], "SAME", name="net/depthwise")


def _dense(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, CHANNELS)).astype(np.float32), name="net/weights")
    return tf.matmul(tf.reduce_mean(x, [1, 2]), weights, name="net/MatMul")


def _dense_transposed(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(CHANNELS, 3)).astype(np.float32), name="net/weights")
    return tf.matmul(tf.reduce_mean(x, [1, 2]), weights, transpose_b=True, name="net/MatMul")


def _of_tensorflow(offset: bool = True, scale: bool = True) -> Layer:
    return lambda x: tf.nn.batch_normalization(x, parameter("mean"), parameter("variance"),
                                               parameter("beta") if offset else None,
                                               parameter("gamma") if scale else None, 1e-3)


def _in_old_ops(x: tf.Tensor) -> tf.Tensor:
    root = tf.rsqrt(tf.raw_ops.Add(x=tf.constant(np.float32(1e-3)), y=parameter("variance")))
    scale = parameter("gamma") * root
    return tf.raw_ops.Add(x=parameter("beta") - scale * parameter("mean"), y=scale * x)


def _by_division(x: tf.Tensor) -> tf.Tensor:
    return (x - parameter("mean")) / tf.sqrt(parameter("variance") + 1e-3) * parameter("gamma") + parameter("beta")


def _by_power(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add((x - parameter("mean")) * parameter("gamma") * tf.pow(parameter("variance") + 1e-3, -0.5),
                          parameter("beta"))


def _gamma_over_root(x: tf.Tensor) -> tf.Tensor:
    scale = parameter("gamma") / tf.sqrt(parameter("variance") + 1e-3)
    return x * tf.reshape(scale, [1, -1]) - (parameter("mean") * scale - parameter("beta"))


_SPELLINGS: Dict[str, Layer] = {
    "tf.nn.batch_normalization": _of_tensorflow(), "without gamma": _of_tensorflow(scale=False),
    "without beta": _of_tensorflow(offset=False), "with neither": _of_tensorflow(False, False),
    "old ops, all swapped": _in_old_ops, "division": _by_division, "power": _by_power, "gamma / root": _gamma_over_root,
}


def _assert_folded(graph: tf.GraphDef, run_graph: Run, count: int = 1) -> None:
    feed = {"images:0": np.random.RandomState(1).normal(size=(2, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]), spelled=True)

    assert [len(result.folded), result.not_folded] == [count, []]
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=2e-5, atol=2e-5)
    assert [node.op for node in graph_nodes.between(result.graph, ["start"], ["end"])
            if node.op in ("Mul", "RealDiv", "Sub", "Add", "AddV2")] == []
    assert unfolded.find(Network(result.graph, "start", ["end"])) == []


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("linear", [conv, _conv_with_bias, _depthwise, _dense, _dense_transposed])
def test_every_spelling_is_found_and_folded_where_that_is_asked_for(spelling: str, linear: Layer,
                                                                   run_graph: Run) -> None:
    graph = network(linear, _SPELLINGS[spelling])

    (group,) = spelled_out.find(Network(graph, "start", ["end"]))
    left = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [(item.batch_norm, "spelled_out_batch_norms: fold" in item.reason) for item in left.not_folded] \
        == [(group.name, True)]
    assert group.name in [item.op for item in unfolded.find(Network(left.graph, "start", ["end"]))]
    _assert_folded(graph, run_graph)


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("linear", [conv, _conv_with_bias, _depthwise, _dense, _dense_transposed])
def test_a_spelling_has_the_quantizers_that_aimet_gives_it(spelling: str, linear: Layer) -> None:
    aimet = _AIMET[f"{linear.__name__.strip('_')}, {spelling}"]
    graph = network(linear, _SPELLINGS[spelling])

    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())

    found = {q.tensor: q.enabled for q in placed if q.kind == ACTIVATION}
    (group,) = spelled_out.find(Network(graph, "start", ["end"]))
    if isinstance(aimet, str):
        # What stops AIMET is the one op that it takes it for.
        assert group.ops & {name.split(":")[0] for name in found} == {group.output}
    else:
        assert found == dict(aimet)


@pytest.mark.parametrize("layer", [
    lambda x: tf.keras.layers.BatchNormalization(fused=False)(x, training=False),
    lambda x: slim.batch_norm(x, fused=False, is_training=False),
    lambda x: slim.batch_norm(x, fused=False, is_training=False, center=False, scale=True),
    lambda x: tf.layers.batch_normalization(x, fused=False, training=False),
    lambda x: tf.layers.batch_normalization(x, renorm=True, training=False),
], ids=["keras", "slim", "slim without beta", "tf.layers", "renorm"])
def test_what_the_libraries_write_is_folded(layer: Layer, run_graph: Run) -> None:
    _assert_folded(network(conv, layer), run_graph)


def test_several_batch_norms_are_folded_each_into_its_own(run_graph: Run) -> None:
    layers = [conv, _of_tensorflow(), tf.nn.relu6, _conv_with_bias, _by_division, tf.nn.relu6, _depthwise, _in_old_ops]

    _assert_folded(network(*layers), run_graph, 3)


def test_parameters_that_were_multiplied_out_are_two_ops_that_are_named_and_can_be_folded(run_graph: Run) -> None:
    graph = network(_conv_with_bias, lambda x: x * parameter("scale") + parameter("shift"))

    left = fold.fold_batch_norms(Network(graph, "start", ["end"])).not_folded
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())

    assert ["right behind 'net/Conv2D'" in item.reason for item in left] == [True]
    # AIMET knows of nothing that tells such a Mul and Add from others.
    enabled = {q.tensor: q.enabled for q in placed}
    assert [enabled[f"{name}:0"] for name in ("net/BiasAdd", "mul", "add")] == [True, True, False]
    _assert_folded(graph, run_graph)


@pytest.mark.parametrize("layer", [
    lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, [0, 1, 2]), parameter("beta"), parameter("gamma"), 1e-3),
    lambda x: tf.keras.layers.BatchNormalization(fused=False)(x),
    lambda x: slim.batch_norm(x, fused=False, is_training=True, updates_collections=None),
], ids=["moments", "learning phase", "slim training"])
def test_a_batch_norm_in_training_mode_is_left_with_the_reason(layer: Layer) -> None:
    graph = network(conv, layer)

    (group,) = spelled_out.find(Network(graph, "start", ["end"]))
    left = fold.fold_batch_norms(Network(graph, "start", ["end"]), spelled=True).not_folded

    assert [(item.batch_norm, "export the checkpoint for inference" in item.reason) for item in left] \
        == [(group.name, True)]
    assert [item.op for item in unfolded.find(Network(graph, "start", ["end"]))] == [group.name]


def test_one_that_takes_its_statistics_from_the_batch_is_one_op_to_aimet() -> None:
    graph = network(conv, lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, [0, 1, 2]), parameter("beta"),
                                                              parameter("gamma"), 1e-3))

    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())

    assert [q.tensor for q in placed if q.kind == ACTIVATION] == ["net/Conv2D:0", "batchnorm/add_1:0", "end:0"]


@pytest.mark.parametrize(("layers", "reason"), [
    ([conv, tf.nn.relu, _of_tensorflow()], "follows Relu"),
    ([conv, lambda x: tf.nn.batch_normalization(x, *[parameter(name) for name in ("mean", "variance", "beta")],
                                                None, 1e-3) + x], "is used elsewhere"),
], ids=["pre-activation", "tapped"])
def test_a_batch_norm_that_cannot_be_folded_is_left_with_the_reason(layers: List[Layer], reason: str) -> None:
    left = fold.fold_batch_norms(Network(network(*layers), "start", ["end"]), spelled=True).not_folded

    assert [reason in item.reason for item in left] == [True]


_GENUINE: Dict[str, Layer] = {
    "L2 normalization with a learned scale": lambda x: tf.nn.l2_normalize(tf.nn.relu(x), 3) * parameter("scale"),
    "L2 normalization right behind": lambda x: tf.nn.l2_normalize(x, 3) * parameter("scale"),
    "PReLU of Keras": lambda x: tf.keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones")(x),
    "PReLU by hand": lambda x: tf.nn.relu(x) + parameter("alpha") * (x - tf.abs(x)) * 0.5,
    "leaky ReLU": lambda x: tf.maximum(x, 0.1 * x),
    "hard swish": lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "swish": lambda x: x * tf.sigmoid(x),
    "squeeze and excitation": lambda x: x * tf.sigmoid(tf.reduce_mean(x, [1, 2], keepdims=True)),
    "one scale for all": lambda x: x * 0.5 + 1.0,
    "scaled by a root": lambda x: x * tf.rsqrt(tf.constant(64.0)),
    "instance norm": contrib.instance_norm,
    "learned scale behind an activation": lambda x: tf.nn.relu(x) * parameter("scale"),
    "decoded boxes": lambda x: tf.concat([tf.reshape(x, [-1, 64, 4])] * 2, 1) * parameter("variances"),
    "sum of two with a scale": lambda x: (x + tf.nn.relu(x)) * parameter("scale"),
}


@pytest.mark.parametrize("layer", _GENUINE)
def test_what_is_no_batch_norm_is_not_taken_for_one(layer: str) -> None:
    graph = network(_conv_with_bias, _GENUINE[layer])

    assert spelled_out.find(Network(graph, "start", ["end"]), combined=True) == []
    assert unfolded.find(Network(graph, "start", ["end"])) == []


@pytest.mark.parametrize("addition", ["Add", "AddV2"])
def test_the_spelled_out_demo_folds_to_the_very_graph_of_the_fused_one(demo_artifacts: Artifacts,
                                                                       addition: str) -> None:
    start, outputs = "FeatureExtractor/MobilenetV2/MobilenetV2/input", ["concat", "concat_1"]
    graph = tf.GraphDef.FromString((demo_artifacts.float_folder / "float.pb").read_bytes())
    spell_out(graph, addition)

    result = fold.fold_batch_norms(Network(graph, start, outputs), spelled=True)

    # Names, weights and biases, to the last bit: so are encodings, detections and figures.
    ours, wanted = (tf.graph_util.extract_sub_graph(graph, [*outputs, "detection_boxes"])
                    for graph in (result.graph, demo_artifacts.graph(FLOAT)))
    assert {node.name: node.SerializeToString(deterministic=True) for node in ours.node} \
        == {node.name: node.SerializeToString(deterministic=True) for node in wanted.node}
    assert placement.place_quantizers(Network(result.graph, start, outputs), Settings()) == demo_artifacts.quantizers
