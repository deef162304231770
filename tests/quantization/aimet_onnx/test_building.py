"""What the real AIMET 2 makes of a network, beside what the built-in backend makes of it."""

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Set

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, DataError, GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet_onnx, simulate, switches
from quant_accuracy.quantization.configuration import Configuration, OpRule, ParamRule
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Override, Quantization, Settings
from quant_accuracy.settings.card import ModelCard
from tests.quantization.aimet_onnx.conftest import SMALL_NAMES, Both, both, small_images, small_network

_WEIGHTS, _ACTIVATIONS = 1e-6, 1e-5
_FLOAT_WEIGHTS = (Override("*weights/read:0", enabled=False),)


def _difference(theirs: Encoding, ours: Encoding) -> float:
    moved = max(abs(theirs.minimum - ours.minimum), abs(theirs.maximum - ours.maximum))
    return moved / (ours.maximum - ours.minimum)


def _differences(pair: Both, kind: str) -> Dict[str, float]:
    """By tensor that both quantize; of several encodings the largest difference."""
    ours = {q.tensor for q in pair.ours.enabled() if q.kind == kind}
    return {q.tensor: max(map(_difference, pair.theirs.encodings[q.tensor], pair.ours.encodings[q.tensor]))
            for q in pair.theirs.enabled() if q.kind == kind and q.tensor in ours}


def _predictors(tensors: Set[str]) -> Set[str]:
    return {tensor for tensor in tensors if tensor.startswith("BoxPredictor") and tensor.endswith("/BiasAdd:0")}


def _tensors(quantization: Quantization, kind: str) -> Set[str]:
    return {q.tensor for q in quantization.quantizers if q.kind == kind and q.enabled}


def test_every_weight_of_the_demo_has_the_encoding_of_the_builtin_backend(demo_both: Both) -> None:
    found = _differences(demo_both, PARAM)

    assert set(found) == _tensors(demo_both.ours, PARAM)
    assert max(found.values()) <= _WEIGHTS
    assert all(demo_both.theirs.encodings[tensor][0].offset == demo_both.ours.encodings[tensor][0].offset
               for tensor in found)


def test_only_reshapes_of_the_demo_have_no_quantizer_and_only_depthwise_convolutions_have_one_more(
        demo_both: Both) -> None:
    theirs, ours = (_tensors(quantization, ACTIVATION) for quantization in (demo_both.theirs, demo_both.ours))
    nodes = demo_both.network.nodes()

    assert {nodes[tensor[:-2]].op for tensor in ours - theirs} == {"Reshape"}
    before = [nodes[nodes[tensor[:-2]].input[0]].op for tensor in theirs - ours]
    assert before == ["DepthwiseConv2dNative"] * 17


def test_activations_of_the_demo_have_the_encodings_of_the_builtin_backend_where_weights_stay_as_they_are(
        with_aimet_onnx: None, demo_network: Network, demo_card: ModelCard, demo_images: List[np.ndarray],
        tmp_path: Path) -> None:
    # Where weights are quantized, AIMET 2 does it in float32, and a few of a million round the other way.
    pair = both(demo_network, demo_card.graph, replace(demo_card.quantization, overrides=_FLOAT_WEIGHTS),
                demo_images, tmp_path)

    found = _differences(pair, ACTIVATION)
    tied = _predictors(set(found))

    assert len(tied) == 12
    assert max(found[tensor] for tensor in set(found) - tied) <= _ACTIVATIONS


def test_what_a_concat_joins_has_the_encoding_of_its_output(demo_both: Both) -> None:
    encodings = demo_both.theirs.encodings

    assert {encodings[tensor] for tensor in _predictors(set(encodings))} == {encodings["concat:0"],
                                                                             encodings["concat_1:0"]}


def test_a_kernel_that_tf2onnx_transposes_has_its_encodings_along_the_axis_of_its_channels(
        with_aimet_onnx: None, tmp_path: Path) -> None:
    pair = both(small_network(), SMALL_NAMES, Settings(configuration=Configuration(per_channel=True)), small_images(2),
                tmp_path)

    found = _differences(pair, PARAM)

    assert len(found) == 6
    assert max(found.values()) <= _WEIGHTS
    axes = {q.tensor: q.axis for q in pair.ours.quantizers if q.tensor in found}
    assert axes == {q.tensor: q.axis for q in pair.theirs.quantizers if q.tensor in found}
    assert {len(pair.theirs.encodings[tensor]) for tensor in found} == {6, 9, 12}
    simulate.simulate(pair.network.graph, pair.theirs)


def test_channels_that_lie_along_two_axes_here_cannot_have_an_encoding_each(with_aimet_onnx: None,
                                                                            tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="images"), name="start")
        kernel = tf.constant(np.random.RandomState(0).normal(size=(3, 3, 3, 2)).astype(np.float32))
        tf.nn.depthwise_conv2d_native(start, kernel, [1] * 4, "SAME", name="end")
    network = Network(graph.as_graph_def(), ["start"], ["end"])
    image = np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)

    made = aimet_onnx.build(network, "images", Settings(), [image], tmp_path)
    assert len([q for q in made.enabled() if q.kind == PARAM]) == 1
    with pytest.raises(GraphError, match="set per_channel_quantization to False"):
        aimet_onnx.build(network, "images", Settings(configuration=Configuration(per_channel=True)), [image], tmp_path)


def test_every_quantizer_can_be_switched(small_both: Both) -> None:
    switched = {node.name for node in switches.insert_switches(small_both.network.graph, small_both.theirs).node}

    assert {q.name for q in small_both.theirs.enabled() if q.kind == ACTIVATION} <= switched


@pytest.mark.parametrize("settings", [
    Settings(param_bitwidth=4, output_bitwidth=16),
    Settings(param_bitwidth=5, output_bitwidth=6),
    Settings(configuration=Configuration(all_params=ParamRule(True, True), strict=True, unsigned=False)),
    Settings(configuration=Configuration(params={})),
], ids=["w4a16", "w5a6", "strict symmetric", "biases"])
def test_settings_give_the_encodings_that_the_builtin_backend_gives(with_aimet_onnx: None, settings: Settings,
                                                                    tmp_path: Path) -> None:
    pair = both(small_network(), SMALL_NAMES, settings, small_images(2), tmp_path)

    params, activations = _differences(pair, PARAM), _differences(pair, ACTIVATION)

    assert set(params) == _tensors(pair.ours, PARAM)
    assert max(params.values()) <= _WEIGHTS
    assert max(activations[tensor] for tensor in ("first/Relu6:0", "second/Relu6:0")) <= _ACTIVATIONS
    theirs = {q.tensor: (q.bitwidth, q.symmetry) for q in pair.theirs.enabled()}
    assert theirs.items() >= {q.tensor: (q.bitwidth, q.symmetry) for q in pair.ours.enabled() if q.tensor in theirs
                              and q.kind == PARAM}.items()


def test_scheme_tf_enhanced_has_its_own_ranges_within_what_was_seen(with_aimet_onnx: None, small_both: Both,
                                                                    tmp_path: Path) -> None:
    pair = both(small_network(), SMALL_NAMES, Settings("tf_enhanced"), small_images(4), tmp_path)

    for tensor, (encoding,) in pair.theirs.encodings.items():
        (seen,) = small_both.theirs.encodings[tensor]
        width = seen.maximum - seen.minimum
        assert 0.3 * width < encoding.maximum - encoding.minimum < 1.1 * width


def test_the_input_behind_an_identity_is_off_unless_the_card_switches_it_on(with_aimet_onnx: None, small_both: Both,
                                                                            tmp_path: Path) -> None:
    on = Settings(overrides=(Override("start:0", enabled=True, bitwidth=7),))
    changed = aimet_onnx.build(small_network(), "images", on, small_images(2), tmp_path)

    assert [(q.enabled, q.role) for q in small_both.theirs.quantizers if q.tensor == "start:0"] == [(False, "input")]
    assert [encoding.bitwidth for encoding in changed.encodings["start:0"]] == [7]


def test_overrides_change_the_quantizers_that_they_name(with_aimet_onnx: None, tmp_path: Path) -> None:
    wanted = Settings(overrides=(Override("second/depthwise_weights/read:0", bitwidth=4, symmetric=True),
                                 Override("first/Relu6:0", enabled=False)))
    made = aimet_onnx.build(small_network(), "images", wanted, small_images(2), tmp_path)
    (encoding,) = made.encodings["second/depthwise_weights/read:0"]

    assert (encoding.bitwidth, encoding.symmetric) == (4, True)
    assert "first/Relu6:0" not in made.encodings
    assert {q.rule for q in made.quantizers} == {"AIMET ONNX", "override: second/depthwise_weights/read:0",
                                                 "override: first/Relu6:0"}


def test_an_override_that_parts_tied_tensors_is_refused_with_the_names_of_all(with_aimet_onnx: None,
                                                                              tmp_path: Path) -> None:
    wanted = Settings(overrides=(Override("box_0/BiasAdd:0", bitwidth=16),))

    with pytest.raises(ConfigurationError, match=r"box_0/BiasAdd:0, box_1/BiasAdd:0, boxes:0"):
        aimet_onnx.build(small_network(), "images", wanted, small_images(2), tmp_path)


def test_one_quantizer_of_equal_weights_is_that_of_each(with_aimet_onnx: None, tmp_path: Path) -> None:
    network = small_network()
    nodes = network.nodes()
    nodes["box_1/weights"].attr["value"].CopyFrom(nodes["box_0/weights"].attr["value"])

    pair = both(network, SMALL_NAMES, Settings(), small_images(2), tmp_path)

    assert set(_differences(pair, PARAM)) == _tensors(pair.ours, PARAM)


def test_a_bias_of_zeros_which_tf2onnx_leaves_out_has_its_quantizer_where_it_was(with_aimet_onnx: None,
                                                                                 tmp_path: Path) -> None:
    network = small_network()
    biases = network.nodes()["class_0/biases"]
    biases.CopyFrom(graph_nodes.const_node("class_0/biases", np.zeros(9, np.float32)))

    theirs = aimet_onnx.build(network, "images", Settings(), small_images(2), tmp_path)

    assert {"class_0/BiasAdd:0", "class_1/BiasAdd:0"} <= _tensors(theirs, ACTIVATION)
    assert "class_0/Conv2D:0" not in {q.tensor for q in theirs.quantizers}


def test_a_network_that_takes_more_than_its_starting_ops_is_refused(with_aimet_onnx: None, tmp_path: Path) -> None:
    network = replace(small_network(), starts=("first/Relu6",))
    network.nodes()["second/depthwise"].input[0] = "first/BiasAdd"

    with pytest.raises(GraphError, match="takes 'images' besides its starting ops"):
        aimet_onnx.build(network, "images", Settings(), small_images(1), tmp_path)


@pytest.mark.parametrize(("settings", "message"), [
    (Settings(param_bitwidth=32), "takes 2 to 31"),
    (Settings(overrides=(Override("nothing*", bitwidth=4),)), "matches no quantizer"),
    (Settings(configuration=Configuration(ops=OpRule(input=True, output=False))), "AIMET ONNX failed while|gives"),
])
def test_settings_that_cannot_be_followed_are_refused_in_one_line(with_aimet_onnx: None, settings: Settings,
                                                                  message: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigurationError, GraphError), match=message) as caught:
        aimet_onnx.build(small_network(), "images", settings, small_images(1), tmp_path)

    assert "\n" not in str(caught.value)


def test_no_images_are_an_error(with_aimet_onnx: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no calibration images"):
        aimet_onnx.build(small_network(), "images", Settings(), [], tmp_path)


def test_the_export_is_an_onnx_model_beside_its_encodings(small_both: Both) -> None:
    folder = small_both.folder / aimet_onnx.EXPORT

    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.data", "model.encodings"}


def test_quantizers_stand_in_the_order_in_which_the_network_runs(small_both: Both) -> None:
    order = [q.tensor for q in small_both.ours.quantizers]
    common = [q.tensor for q in small_both.theirs.quantizers if q.tensor in order]

    assert common == [tensor for tensor in order if tensor in common]


def test_the_graph_is_left_as_it_was(with_aimet_onnx: None, small_both: Both) -> None:
    with tf.Graph().as_default():
        assert small_both.network.graph == small_network().graph
