"""Batch norms that are spelled out in plain ops: found in all spellings, placed as one op, folded where asked for."""

from dataclasses import replace
from typing import Callable, Dict, List, Optional

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.contrib import layers as contrib
from tensorflow.contrib import slim

from quant_accuracy.artifacts import float_graph
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph import arithmetic, fold, spelled_out, unfolded
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import ACTIVATION, FOLD, KEEP, Settings
from quant_accuracy.settings.card import ModelCard
from tests.conftest import Run
from tests.support.batch_norms import spell_out

_RANDOM = np.random.RandomState(0)
_C = 4
Layer = Callable[[tf.Tensor], tf.Tensor]


def _parameter(name: str, low: float = 0.5) -> tf.Tensor:
    values = np.random.RandomState(len(name)).uniform(low, 2.0, size=_C).astype(np.float32)
    return tf.identity(tf.constant(values, name=name), name=name + "/read")


def _conv(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, 3, int(x.shape[3]), _C)).astype(np.float32), name="net/weights")
    return tf.nn.conv2d(x, weights, 1, "SAME", name="net/Conv2D")


def _conv_with_bias(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add(_conv(x), _parameter("net/biases"), name="net/BiasAdd")


def _depthwise(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, 3, 2, 2)).astype(np.float32), name="net/weights")
    return tf.nn.depthwise_conv2d_native(x[..., :2], weights, [1, 1, 1, 1], "SAME", name="net/depthwise")


def _dense(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(3, _C)).astype(np.float32), name="net/weights")
    return tf.matmul(tf.reduce_mean(x, [1, 2]), weights, name="net/MatMul")


def _dense_transposed(x: tf.Tensor) -> tf.Tensor:
    weights = tf.constant(_RANDOM.normal(size=(_C, 3)).astype(np.float32), name="net/weights")
    return tf.matmul(tf.reduce_mean(x, [1, 2]), weights, transpose_b=True, name="net/MatMul")


def _of_tensorflow(offset: bool = True, scale: bool = True) -> Layer:
    return lambda x: tf.nn.batch_normalization(x, _parameter("mean"), _parameter("variance"),
                                               _parameter("beta") if offset else None,
                                               _parameter("gamma") if scale else None, 1e-3)


def _in_old_ops(x: tf.Tensor) -> tf.Tensor:
    root = tf.rsqrt(tf.raw_ops.Add(x=tf.constant(np.float32(1e-3)), y=_parameter("variance")))
    scale = _parameter("gamma") * root
    return tf.raw_ops.Add(x=_parameter("beta") - scale * _parameter("mean"), y=scale * x)


def _by_division(x: tf.Tensor) -> tf.Tensor:
    return (x - _parameter("mean")) / tf.sqrt(_parameter("variance") + 1e-3) * _parameter("gamma") + _parameter("beta")


def _by_power(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.bias_add((x - _parameter("mean")) * _parameter("gamma") * tf.pow(_parameter("variance") + 1e-3, -0.5),
                          _parameter("beta"))


def _gamma_over_root(x: tf.Tensor) -> tf.Tensor:
    scale = _parameter("gamma") / tf.sqrt(_parameter("variance") + 1e-3)
    return x * tf.reshape(scale, [1, -1]) - (_parameter("mean") * scale - _parameter("beta"))


_SPELLINGS: Dict[str, Layer] = {
    "tf.nn.batch_normalization": _of_tensorflow(), "without gamma": _of_tensorflow(scale=False),
    "without beta": _of_tensorflow(offset=False), "with neither": _of_tensorflow(False, False),
    "old ops, all swapped": _in_old_ops, "division": _by_division, "power": _by_power, "gamma / root": _gamma_over_root,
}


def _network(*layers: Layer) -> tf.GraphDef:
    """Images -> start -> layers -> relu."""
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="images"), name="start")
        for layer in layers:
            x = layer(x)
        tf.nn.relu(x, name="end")
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            return tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["end"])


def _assert_folded(graph: tf.GraphDef, run_graph: Run, count: int = 1) -> None:
    feed = {"images:0": np.random.RandomState(1).normal(size=(2, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]), spelled=True)

    assert [len(result.folded), result.not_folded] == [count, []]
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=2e-5, atol=2e-5)
    assert [node.op for node in graph_nodes.between(result.graph, "start", ["end"])
            if node.op in ("Mul", "RealDiv", "Sub", "Add", "AddV2")] == []
    assert unfolded.find(Network(result.graph, "start", ["end"])) == []


@pytest.mark.parametrize("spelling", _SPELLINGS)
@pytest.mark.parametrize("linear", [_conv, _conv_with_bias, _depthwise, _dense, _dense_transposed])
def test_every_spelling_is_found_placed_as_one_op_and_folded(spelling: str, linear: Layer, run_graph: Run) -> None:
    graph = _network(linear, _SPELLINGS[spelling])

    (group,) = spelled_out.find(Network(graph, "start", ["end"]))
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())
    left = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    inner = {f"{name}:0" for name in group.ops} - {f"{group.output}:0"}
    assert not inner & {q.tensor for q in placed}
    assert {q.tensor: (q.kind, q.enabled) for q in placed}[f"{group.output}:0"] == (ACTIVATION, True)
    assert [(item.batch_norm, "spelled_out_batch_norms: fold" in item.reason) for item in left.not_folded] \
        == [(group.name, True)]
    assert group.name in [item.op for item in unfolded.find(Network(left.graph, "start", ["end"]))]
    _assert_folded(graph, run_graph)


@pytest.mark.parametrize("layer", [
    lambda x: tf.keras.layers.BatchNormalization(fused=False)(x, training=False),
    lambda x: slim.batch_norm(x, fused=False, is_training=False),
    lambda x: slim.batch_norm(x, fused=False, is_training=False, center=False, scale=True),
    lambda x: tf.layers.batch_normalization(x, fused=False, training=False),
    lambda x: tf.layers.batch_normalization(x, renorm=True, training=False),
], ids=["keras", "slim", "slim without beta", "tf.layers", "renorm"])
def test_what_the_libraries_write_is_folded(layer: Layer, run_graph: Run) -> None:
    _assert_folded(_network(_conv, layer), run_graph)


def test_several_batch_norms_are_folded_each_into_its_own(run_graph: Run) -> None:
    layers = [_conv, _of_tensorflow(), tf.nn.relu6, _conv_with_bias, _by_division, tf.nn.relu6, _depthwise, _in_old_ops]

    _assert_folded(_network(*layers), run_graph, 3)


def test_parameters_that_were_multiplied_out_are_two_ops_that_are_named_and_can_be_folded(run_graph: Run) -> None:
    graph = _network(_conv_with_bias, lambda x: x * _parameter("scale") + _parameter("shift"))

    left = fold.fold_batch_norms(Network(graph, "start", ["end"])).not_folded
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())

    assert ["right behind 'net/Conv2D'" in item.reason for item in left] == [True]
    # AIMET knows of nothing that tells such a Mul and Add from others.
    enabled = {q.tensor: q.enabled for q in placed}
    assert [enabled[f"{name}:0"] for name in ("net/BiasAdd", "mul", "add")] == [True, True, False]
    _assert_folded(graph, run_graph)


@pytest.mark.parametrize("layer", [
    lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, [0, 1, 2]), _parameter("beta"), _parameter("gamma"), 1e-3),
    lambda x: tf.keras.layers.BatchNormalization(fused=False)(x),
    lambda x: slim.batch_norm(x, fused=False, is_training=True, updates_collections=None),
], ids=["moments", "learning phase", "slim training"])
def test_a_batch_norm_in_training_mode_is_one_op_and_left_with_the_reason(layer: Layer) -> None:
    graph = _network(_conv, layer)

    (group,) = spelled_out.find(Network(graph, "start", ["end"]))
    left = fold.fold_batch_norms(Network(graph, "start", ["end"]), spelled=True).not_folded
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), Settings())

    assert [(item.batch_norm, "export the checkpoint for inference" in item.reason) for item in left] \
        == [(group.name, True)]
    assert [q.tensor for q in placed if q.kind == ACTIVATION] \
        == ["net/Conv2D:0", f"{group.output}:0", "end:0"]
    assert [item.op for item in unfolded.find(Network(graph, "start", ["end"]))] == [group.name]


@pytest.mark.parametrize(("layers", "reason"), [
    ([_conv, tf.nn.relu, _of_tensorflow()], "follows Relu"),
    ([_conv, lambda x: tf.nn.batch_normalization(x, *[_parameter(name) for name in ("mean", "variance", "beta")],
                                                 None, 1e-3) + x], "is used elsewhere"),
], ids=["pre-activation", "tapped"])
def test_a_batch_norm_that_cannot_be_folded_is_left_with_the_reason(layers: List[Layer], reason: str) -> None:
    left = fold.fold_batch_norms(Network(_network(*layers), "start", ["end"]), spelled=True).not_folded

    assert [reason in item.reason for item in left] == [True]


_GENUINE: Dict[str, Layer] = {
    "L2 normalization with a learned scale": lambda x: tf.nn.l2_normalize(tf.nn.relu(x), 3) * _parameter("scale"),
    "L2 normalization right behind": lambda x: tf.nn.l2_normalize(x, 3) * _parameter("scale"),
    "PReLU of Keras": lambda x: tf.keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones")(x),
    "PReLU by hand": lambda x: tf.nn.relu(x) + _parameter("alpha") * (x - tf.abs(x)) * 0.5,
    "leaky ReLU": lambda x: tf.maximum(x, 0.1 * x),
    "hard swish": lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "swish": lambda x: x * tf.sigmoid(x),
    "squeeze and excitation": lambda x: x * tf.sigmoid(tf.reduce_mean(x, [1, 2], keepdims=True)),
    "one scale for all": lambda x: x * 0.5 + 1.0,
    "scaled by a root": lambda x: x * tf.rsqrt(tf.constant(64.0)),
    "instance norm": contrib.instance_norm,
    "learned scale behind an activation": lambda x: tf.nn.relu(x) * _parameter("scale"),
    "decoded boxes": lambda x: tf.concat([tf.reshape(x, [-1, 64, 4])] * 2, 1) * _parameter("variances"),
    "sum of two with a scale": lambda x: (x + tf.nn.relu(x)) * _parameter("scale"),
}


@pytest.mark.parametrize("layer", _GENUINE)
def test_what_is_no_batch_norm_is_not_taken_for_one(layer: str) -> None:
    graph = _network(_conv_with_bias, _GENUINE[layer])

    assert spelled_out.find(Network(graph, "start", ["end"]), combined=True) == []
    assert unfolded.find(Network(graph, "start", ["end"])) == []


@pytest.mark.parametrize(("layer", "op"), [
    (lambda x: tf.math.divide_no_nan(x, _parameter("deviation")), "DivNoNan"),
    (lambda x: tf.math.multiply_no_nan(x, _parameter("scale")), "MulNoNan"),
    (lambda x: tf.space_to_batch_nd(x, [2, 2], [[0, 0], [0, 0]]) * _parameter("scale"), "Mul"),
    (lambda x: x * tf.nn.softplus(_parameter("scale")), "Mul"),
])
def test_what_folding_does_not_know_is_named_all_the_same(layer: Layer, op: str) -> None:
    found = unfolded.find(Network(_network(_conv, layer), "start", ["end"]))

    assert len(found) == 1
    assert op in found[0].reason


def test_the_check_is_quiet_on_the_folded_demo_and_names_what_its_float_graph_holds(demo_artifacts: Artifacts) -> None:
    graph = tf.GraphDef.FromString((demo_artifacts.float_folder / "float.pb").read_bytes())
    start, outputs = "FeatureExtractor/MobilenetV2/MobilenetV2/input", ["concat", "concat_1"]
    fused = [node.name for node in graph.node if node.op.startswith("FusedBatchNorm")]

    assert unfolded.find(Network(demo_artifacts.graph(FLOAT), start, outputs)) == []
    assert sorted(item.op for item in unfolded.find(Network(graph, start, outputs))) == sorted(fused)
    spell_out(graph)
    assert len(unfolded.find(Network(graph, start, outputs))) == len(fused)


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


@pytest.mark.parametrize(("said", "named"), [(None, 60), (KEEP, 0), (FOLD, 0)])
def test_the_check_on_folding_names_what_the_card_has_not_decided_on(demo_artifacts: Artifacts, demo_card: ModelCard,
                                                                     said: Optional[str], named: int) -> None:
    names = demo_card.graph
    graph = tf.GraphDef.FromString((demo_artifacts.float_folder / "float.pb").read_bytes())
    spell_out(graph)
    folded = fold.fold_batch_norms(Network.of(graph, names), spelled=said == FOLD)
    decided = replace(demo_card, quantization=replace(demo_card.quantization, spelled_out_batch_norms=said))

    left = float_graph.batch_norms_left(decided, folded)

    assert len(left) == named
    assert all(item.batch_norm.endswith("/batchnorm/mul_1") and "--spelled-out-batch-norms fold" in item.reason
               for item in left)


def test_what_takes_its_statistics_from_the_batch_is_named_also_where_the_card_keeps_others(
        demo_card: ModelCard) -> None:
    graph = _network(_conv, lambda x: tf.keras.layers.BatchNormalization(fused=False)(x))
    kept = replace(demo_card, graph=replace(demo_card.graph, starting_op="start", output_ops=("end",)),
                   quantization=replace(demo_card.quantization, spelled_out_batch_norms=KEEP))

    assert len(float_graph.batch_norms_left(kept, fold.fold_batch_norms(Network(graph, "start", ["end"])))) == 1


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
        a, b = _parameter("a"), _parameter("bb")
        c = tf.expand_dims(tf.squeeze(tf.reshape(-a, [1, _C]), [0]), 0)
        tf.add(tf.maximum(a * (b * tf.rsqrt(b + 1e-3)), tf.fill([_C], 0.5)) - tf.square(c) / tf.sqrt(b),
               tf.math.reciprocal(a) * tf.pow(a, b), name="end")
    definition = graph.as_graph_def()

    np.testing.assert_allclose(arithmetic.value(graph_nodes.by_name(definition), "end"),
                               run_graph(definition, ["end:0"], {})[0], rtol=1e-6)
