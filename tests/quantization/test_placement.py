"""Which tensors have quantizers, and which are enabled."""

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.folding import fold
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import (
    placement,
)
from quant_accuracy.quantization.records import PARAM, Settings
from tests.support.configurations import DEFAULT_ENABLED, enabled, loaded, place
from tests.support.networks import small_network, weighted
from tests.support.places import REFERENCE

_NO_CONV_GROUPS = [{"op_list": ["Add", "Relu"]}]


@pytest.mark.parametrize(("changes", "gained", "lost"), [
    ({"params": {}}, ["first/biases:0", "dense/biases:0"], []),
    ({"params": {"weight": {"is_quantized": "False"}}},
     ["first/biases:0", "dense/biases:0"], ["first/weights:0", "deep/weights:0", "dense/weights:0"]),
    ({"op_type": {"Conv": {"params": {"weight": {"is_quantized": "False"}}}}}, [],
     ["first/weights:0", "deep/weights:0"]),
    ({"supergroups": _NO_CONV_GROUPS}, ["first/BiasAdd:0", "deep/depthwise:0"], []),
    ({"supergroups": [{"op_list": ["Mean", "Gemm"]}]}, ["first/BiasAdd:0", "deep/depthwise:0"], ["pooled:0"]),
    # AIMET comes to the Add from the first Relu, so no group goes through it.
    ({"supergroups": [{"op_list": ["Conv", "Clip", "Add"]}]}, ["first/BiasAdd:0", "deep/depthwise:0"], []),
    # The output of the first Relu goes two ways, so no group can go through it.
    ({"supergroups": [{"op_list": ["Relu", "Add"]}, {"op_list": ["Relu", "Conv"]}]},
     ["first/BiasAdd:0", "deep/depthwise:0"], []),
    ({"op_type": {"Add": {"is_output_quantized": "False"}}}, [], ["joined:0"]),
    # The quantizer before the pooling is the one behind the sigmoid, which has no name in configuration files.
    ({"op_type": {"Mean": {"is_input_quantized": "False"}}}, [], ["squashed:0"]),
    ({"model_input": {}}, [], ["images:0"]),
    ({"model_input": {"is_input_quantized": "False"}}, [], ["images:0"]),
    ({"model_output": {"is_output_quantized": "False"}}, [], ["dense/BiasAdd:0"]),
    ({"defaults": {"ops": {}, "params": {"is_quantized": "True"}}}, [],
     ["first/Relu:0", "deep/Relu6:0", "joined:0", "squashed:0", "pooled:0", "dense/BiasAdd:0"]),
    ({"defaults": {"ops": {"is_output_quantized": "False"}, "params": {}},
      "op_type": {"Conv": {"is_input_quantized": "True"}}}, [],
     ["first/weights:0", "deep/weights:0", "deep/Relu6:0", "joined:0", "squashed:0", "pooled:0", "dense/weights:0",
      "dense/BiasAdd:0"]),
])
def test_a_configuration_turns_quantizers_on_and_off(tmp_path: Path, network: tf.GraphDef, changes: Dict[str, Any],
                                                     gained: List[str], lost: List[str]) -> None:
    found = set(enabled(place(network, loaded(tmp_path, **changes))))

    assert found == (set(DEFAULT_ENABLED) | set(gained)) - set(lost)


def test_what_a_chain_of_three_leaves_is_its_last_output_only(tmp_path: Path) -> None:
    folded = fold.fold_batch_norms(Network(small_network(), "start", ["end"])).graph
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(folded, name="")
        tf.reduce_mean(graph.get_tensor_by_name("end:0"), [1, 2], name="pooled")
    configured = loaded(tmp_path, supergroups=[{"op_list": ["Conv", "Relu", "Mean"]}])

    placed = placement.place_quantizers(Network(graph.as_graph_def(), "start", ["pooled"]),
                                        Settings(configuration=configured))

    assert enabled(placed) == ["net/weights:0", "pooled:0"]


def test_symmetry_of_an_op_type_reaches_its_inputs_and_its_output(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"op_type": {"Mean": {"is_symmetric": "True"}}, "params": {"weight": {"is_symmetric": "True"}}}

    placed = place(network, loaded(tmp_path, **changes))

    assert {q.tensor for q in placed if q.symmetry.symmetric} == {
        "squashed:0", "pooled:0", "first/weights:0", "deep/weights:0", "dense/weights:0"}


def test_what_a_plain_add_adds_to_a_matmul_is_a_weight() -> None:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [1, 4], name="start")
        product = tf.matmul(start, tf.constant(np.ones([4, 5], np.float32), name="weights"), name="product")
        tf.raw_ops.Add(x=product, y=tf.constant(np.ones(5, np.float32), name="bias"), name="end")

    placed = placement.place_quantizers(Network(graph.as_graph_def(), "start", ["end"]), Settings())

    assert ("bias:0", "weight", True) in {(q.tensor, q.role, q.enabled) for q in placed}


def test_a_product_of_two_activations_has_no_weights() -> None:
    network = Network(weighted(lambda start: tf.transpose(start)), "start", ["end"])
    placed = placement.place_quantizers(network, Settings())

    assert [q.tensor for q in placed if q.kind == PARAM] == []


def test_two_ops_that_contradict_each_other_are_an_error_that_names_the_tensor(tmp_path: Path,
                                                                               network: tf.GraphDef) -> None:
    changes = {"op_type": {"Add": {"is_input_quantized": "False"}, "Conv": {"is_input_quantized": "True"}}}

    with pytest.raises(ConfigurationError, match="first/Relu:0: the quantizer configuration says both"):
        place(network, loaded(tmp_path, **changes))


def test_symmetric_strict_and_unsigned_at_once_is_refused(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"defaults": {"ops": {}, "params": {"is_quantized": "True", "is_symmetric": "True"},
                            "strict_symmetric": "True", "unsigned_symmetric": "True"}}

    with pytest.raises(ConfigurationError, match="first/weights:0 would be symmetric, strict and unsigned"):
        place(network, loaded(tmp_path, **changes))


_ORACLE = json.loads((REFERENCE / "aimet_placement.json").read_text())


def test_quantizers_are_exactly_aimets(demo_artifacts: Artifacts) -> None:
    found = {(q.name, q.tensor, q.kind, q.enabled) for q in demo_artifacts.quantizers}

    assert found == {tuple(item) for item in _ORACLE["quantizers"]}


def test_conv_and_relu_share_one_quantizer_behind_the_relu() -> None:
    folded = fold.fold_batch_norms(Network(small_network(), "start", ["end"])).graph

    placed = placement.place_quantizers(Network(folded, "start", ["end"]), Settings(param_bitwidth=4))

    assert {(q.tensor, q.bitwidth, q.enabled) for q in placed} == {
        ("net/weights:0", 4, True), ("bias_value/read:0", 4, False), ("bias_value_1:0", 8, False), ("end:0", 8, True)}


def test_what_leaves_a_loop_has_no_quantizer() -> None:
    """AIMET asks for the control flow context, which is the loop's for an Exit, the outer one for a Merge."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 3], name="image")
        x = tf.while_loop(lambda count, _: count < 2, lambda count, y: (count + 1, y * 2.0), [0, tf.abs(x)])[1]
        x = tf.map_fn(lambda image: image * 3.0, tf.cond(x[0, 0] > 0, lambda: x + 1.0, lambda: x))
        tf.square(x, name="end")
    placed = placement.place_quantizers(Network(graph.as_graph_def(), ["image"], ["end"]), Settings())

    found = {quantizer.tensor for quantizer in placed}
    assert {"Abs:0", "cond/Merge:0", "map/TensorArrayStack/TensorArrayGatherV3:0", "end:0"} <= found
    assert not [tensor for tensor in found if "Exit" in tensor]


def test_a_quantizer_is_numbered_where_an_op_has_its_name() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.nn.relu(tf.placeholder(tf.float32, [2, 3], name="image"), name="first")
        tf.square(tf.nn.relu6(x, name="First_Quantized"), name="end")
    placed = placement.place_quantizers(Network(graph.as_graph_def(), ["image"], ["end"]), Settings())

    assert {quantizer.tensor: quantizer.name for quantizer in placed} == {
        "image:0": "image_quantized", "first:0": "first_quantized_1",
        "First_Quantized:0": "First_Quantized_quantized", "end:0": "end_quantized"}
