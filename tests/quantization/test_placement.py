"""Placement by AIMET's configuration files, overrides, and encodings that are given."""

import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import ConfigurationError, GraphError, StorageError
from quant_accuracy.graph import computed
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import assumptions, calibrate, configuration, encodings_file, placement, simulate
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Override, Quantization, Quantizer, Settings
from quant_accuracy.settings import card, options
from tests.conftest import Run

_AIMETS = Configuration()
_DEFAULT: Dict[str, Any] = {
    "defaults": {"ops": {"is_output_quantized": "True"}, "params": {"is_quantized": "True"},
                 "strict_symmetric": "False", "unsigned_symmetric": "True", "per_channel_quantization": "False"},
    "params": {"bias": {"is_quantized": "False"}},
    "op_type": {},
    "supergroups": [{"op_list": ["Conv", "Relu"]}, {"op_list": ["Conv", "Clip"]}, {"op_list": ["Add", "Relu"]},
                    {"op_list": ["Gemm", "Relu"]}],
    "model_input": {"is_input_quantized": "True"},
    "model_output": {},
}


def _write(folder: Path, document: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


def _load(folder: Path, **changes: Any) -> Configuration:
    return configuration.load(_write(folder, {**_DEFAULT, **changes}))


@pytest.fixture(scope="module")
def network() -> tf.GraphDef:
    """Images -> conv + bias -> relu -> [conv -> add] <- ... -> matmul + bias: one op of each interesting kind."""
    with tf.Graph().as_default() as graph:
        random = np.random.RandomState(0)

        def weights(*shape: int) -> np.ndarray:
            return random.normal(size=shape).astype(np.float32)

        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name="images")
        first = tf.nn.conv2d(images, tf.constant(weights(3, 3, 3, 4), name="first/weights"), 1, "SAME",
                             name="first/Conv2D")
        first = tf.nn.bias_add(first, tf.constant(weights(4), name="first/biases"), name="first/BiasAdd")
        first = tf.nn.relu(first, name="first/Relu")
        deep = tf.nn.depthwise_conv2d_native(first, tf.constant(weights(3, 3, 4, 1), name="deep/weights"),
                                             [1, 1, 1, 1], "SAME", name="deep/depthwise")
        joined = tf.add(tf.nn.relu6(deep, name="deep/Relu6"), first, name="joined")
        pooled = tf.reduce_mean(tf.sigmoid(joined, name="squashed"), [1, 2], name="pooled")
        product = tf.matmul(pooled, tf.constant(weights(4, 5), name="dense/weights"), name="dense/MatMul")
        tf.nn.bias_add(product, tf.constant(weights(5), name="dense/biases"), name="dense/BiasAdd")
    return graph.as_graph_def()


def _place(network: tf.GraphDef, configured: Configuration = _AIMETS, *overrides: Override) -> List[Quantizer]:
    settings = Settings(configuration=configured, overrides=overrides)
    return placement.place_quantizers(Network(network, "images", ["dense/BiasAdd"]), settings)


def _enabled(quantizers: Sequence[Quantizer]) -> List[str]:
    return [quantizer.tensor for quantizer in quantizers if quantizer.enabled]


_DEFAULT_ENABLED = ["images:0", "first/weights:0", "first/Relu:0", "deep/weights:0", "deep/Relu6:0", "joined:0",
                    "squashed:0", "pooled:0", "dense/weights:0", "dense/BiasAdd:0"]


def test_without_a_file_the_configuration_is_aimets_default(tmp_path: Path, network: tf.GraphDef) -> None:
    assert _load(tmp_path) == Configuration()
    assert _enabled(_place(network)) == _DEFAULT_ENABLED


def test_booleans_may_be_texts_or_real_ones(tmp_path: Path) -> None:
    text = json.dumps(_DEFAULT).replace('"True"', "true").replace('"False"', "false")

    assert configuration.load(_write(tmp_path, json.loads(text))) == Configuration()


_NO_CONV_GROUPS = [{"op_list": ["Add", "Relu"]}]


@pytest.mark.parametrize(("changes", "gained", "lost"), [
    ({"params": {}}, ["first/biases:0", "dense/biases:0"], []),
    ({"params": {"weight": {"is_quantized": "False"}}},
     ["first/biases:0", "dense/biases:0"], ["first/weights:0", "deep/weights:0", "dense/weights:0"]),
    ({"op_type": {"Conv": {"params": {"weight": {"is_quantized": "False"}}}}}, [],
     ["first/weights:0", "deep/weights:0"]),
    ({"supergroups": _NO_CONV_GROUPS}, ["first/BiasAdd:0", "deep/depthwise:0"], []),
    # What a chain of three leaves is its last output only.
    ({"supergroups": [{"op_list": ["Conv", "Clip", "Add"]}]}, ["first/BiasAdd:0"], ["deep/Relu6:0"]),
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
    found = set(_enabled(_place(network, _load(tmp_path, **changes))))

    assert found == (set(_DEFAULT_ENABLED) | set(gained)) - set(lost)


def test_symmetry_of_an_op_type_reaches_its_inputs_and_its_output(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"op_type": {"Mean": {"is_symmetric": "True"}}, "params": {"weight": {"is_symmetric": "True"}}}

    placed = _place(network, _load(tmp_path, **changes))

    assert {q.tensor for q in placed if q.symmetry.symmetric} == {
        "squashed:0", "pooled:0", "first/weights:0", "deep/weights:0", "dense/weights:0"}


def test_what_a_plain_add_adds_to_a_matmul_is_a_weight() -> None:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [1, 4], name="start")
        product = tf.matmul(start, tf.constant(np.ones([4, 5], np.float32), name="weights"), name="product")
        tf.raw_ops.Add(x=product, y=tf.constant(np.ones(5, np.float32), name="bias"), name="end")

    placed = placement.place_quantizers(Network(graph.as_graph_def(), "start", ["end"]), Settings())

    assert ("bias:0", "weight", True) in {(q.tensor, q.role, q.enabled) for q in placed}


def _weighted(weights: Callable[[tf.Tensor], tf.Tensor]) -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [4, 4], name="start")
        tf.matmul(start, weights(start), name="end")
    return graph.as_graph_def()


_VALUES = np.arange(16, dtype=np.float32).reshape(4, 4) - 7


@pytest.mark.parametrize("weights", [
    lambda _: tf.transpose(tf.constant(_VALUES), name="computed"),
    lambda _: tf.multiply(tf.nn.l2_normalize(tf.constant(_VALUES), 0), np.float32([1, 2, 3, 4]), name="computed"),
], ids=["transposed", "normalized"])
def test_weights_that_are_computed_from_constants_are_quantized_as_what_they_are(
        weights: Callable[[tf.Tensor], tf.Tensor], run_graph: Run) -> None:
    graph = _weighted(weights)
    stored = computed.store_weights(Network(graph, "start", ["end"]))
    placed = placement.place_quantizers(Network(stored, "start", ["end"]), Settings())

    (encoding,) = calibrate.calibrate_params(stored, placed, Settings())["computed:0"]

    (values,) = run_graph(graph, ["computed:0"], {})
    assert encoding.minimum <= values.min() + encoding.scale
    assert encoding.maximum >= values.max() - encoding.scale
    np.testing.assert_array_equal(_constant(stored, "computed"), values)


def test_a_product_of_two_activations_has_no_weights() -> None:
    network = Network(_weighted(lambda start: tf.transpose(start)), "start", ["end"])
    placed = placement.place_quantizers(network, Settings())

    assert [q.tensor for q in placed if q.kind == PARAM] == []


def test_weights_that_change_are_an_error_whose_remedy_works() -> None:
    def switched(_: tf.Tensor) -> tf.Tensor:
        other = tf.placeholder_with_default(np.bool_(False), [], name="training")
        return tf.cond(other, lambda: tf.constant(_VALUES), lambda: 2.0 * tf.constant(_VALUES), name="switched")

    graph = computed.store_weights(Network(_weighted(switched), "start", ["end"]))
    with pytest.raises(GraphError, match="weights that change") as caught:
        calibrate.calibrate_params(graph, placement.place_quantizers(Network(graph, "start", ["end"]), Settings()),
                                   Settings())
    (written,) = re.findall(r"set (quantization: .*) in the model card", str(caught.value))
    (tensor, how), = yaml.safe_load(f"{{{written}}}")["quantization"]["overrides"].items()

    settings = Settings(overrides=(Override(tensor, **how),))
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), settings)

    assert calibrate.calibrate_params(graph, placed, settings) == {}
    assert simulate.quantize_weights(graph, Quantization(placed, {})) == graph


@pytest.mark.parametrize(("changes", "message"), [
    ({"op_types": {}}, "op_types is unknown; did you mean 'op_type'"),
    ({"op_type": {"Convolution": {}}}, "op_type.Convolution is unknown; did you mean 'Conv"),
    ({"supergroups": [{"op_list": ["Conv", "ReLU"]}]}, "unknown op type 'ReLU'; did you mean 'Relu'"),
    ({"supergroups": [{"op_list": ["Conv"]}]}, r"supergroups\[0\].op_list is \['Conv'\]"),
    ({"supergroups": {}}, "supergroups is {}"),
    ({"params": {"bias": {"is_quantised": "True"}}}, "did you mean 'is_quantized'"),
    ({"params": {"bias": {"is_quantized": "yes"}}}, "params.bias.is_quantized is 'yes'"),
    ({"model_output": None}, "model_output is missing"),
    ({"defaults": []}, "defaults is not a mapping"),
])
def test_a_wrong_configuration_says_where_and_what(tmp_path: Path, changes: Dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _load(tmp_path, **changes)


def test_an_unreadable_configuration_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"defaults": ')

    for name, message in (("config.json", "not readable as JSON .*line 1.*repair it there"),
                          ("missing.json", "cannot be read .No such file.*correct --quantsim-config, or config in")):
        with pytest.raises(ConfigurationError, match=f"{name}: {message}"):
            configuration.load(tmp_path / name)


def test_two_ops_that_contradict_each_other_are_an_error_that_names_the_tensor(tmp_path: Path,
                                                                               network: tf.GraphDef) -> None:
    changes = {"op_type": {"Add": {"is_input_quantized": "False"}, "Conv": {"is_input_quantized": "True"}}}

    with pytest.raises(ConfigurationError, match="first/Relu:0: the quantizer configuration says both"):
        _place(network, _load(tmp_path, **changes))


def test_symmetric_strict_and_unsigned_at_once_is_refused(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"defaults": {"ops": {}, "params": {"is_quantized": "True", "is_symmetric": "True"},
                            "strict_symmetric": "True", "unsigned_symmetric": "True"}}

    with pytest.raises(ConfigurationError, match="first/weights:0 would be symmetric, strict and unsigned"):
        _place(network, _load(tmp_path, **changes))


def test_overrides_change_single_quantizers_and_later_ones_win(network: tf.GraphDef) -> None:
    placed = _place(network, Configuration(), Override("*/weights:0", bitwidth=4),
                    Override("dense/weights:0", bitwidth=16, symmetric=True), Override("joined:0", enabled=False))

    by_tensor = {q.tensor: q for q in placed}
    assert [by_tensor[f"{name}/weights:0"].bitwidth for name in ("first", "deep", "dense")] == [4, 4, 16]
    assert by_tensor["dense/weights:0"].symmetry.symmetric
    assert not by_tensor["joined:0"].enabled


def test_an_override_that_matches_nothing_is_an_error(network: tf.GraphDef) -> None:
    with pytest.raises(ConfigurationError, match="'dense/weight:0' matches no quantizer.*dense/weights:0"):
        _place(network, Configuration(), Override("dense/weight:0", bitwidth=4))


def test_per_channel_weights_have_a_grid_for_each_output_channel(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"defaults": {**_DEFAULT["defaults"], "per_channel_quantization": "True"}}
    placed = _place(network, _load(tmp_path, **changes))

    found = calibrate.calibrate_params(network, placed, Settings(param_bitwidth=8))
    quantized = simulate.quantize_weights(network, Quantization(placed, found))

    assert {q.tensor: len(found[q.tensor]) for q in placed if q.enabled and q.kind == PARAM} == {
        "first/weights:0": 4, "deep/weights:0": 4, "dense/weights:0": 5}
    for name, axis in (("first/weights", 3), ("deep/weights", 2), ("dense/weights", 1)):
        before, after = (np.moveaxis(_constant(graph, name), axis, 0) for graph in (network, quantized))
        for channel, encoding in enumerate(found[name + ":0"]):
            # Half a step, and what float32 loses.
            assert np.abs(before[channel] - after[channel]).max() <= 0.501 * encoding.scale


def _constant(graph: tf.GraphDef, name: str) -> np.ndarray:
    (node,) = [node for node in graph.node if node.name == name]
    return tf.make_ndarray(node.attr["value"].tensor)


def test_a_card_names_a_configuration_beside_it_and_overrides(tmp_path: Path) -> None:
    _write(tmp_path, {**_DEFAULT, "model_input": {}})
    (tmp_path / "mine.yaml").write_text("""
name: mine
graph: {starting_op: start, output_ops: [end]}
input: {height: 300, width: 300}
quantization:
  config: config.json
  overrides:
    "Box*": {bitwidth: 16, symmetric: true}
    "concat:0": {enabled: false}
""")

    found = card.load(str(tmp_path / "mine.yaml")).quantization

    assert found.configuration.model_input is None
    assert found.overrides == (Override("Box*", 16, True, None), Override("concat:0", None, None, False))


@pytest.mark.parametrize("said", [None, "fold", "keep"])
def test_a_card_says_what_becomes_of_batch_norms_in_plain_ops(tmp_path: Path, said: Optional[str]) -> None:
    text = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    more = f"spelled_out_batch_norms: {said}, " if said else ""
    path = tmp_path / "card.yaml"
    path.write_text(text.replace("quantization: {", f"quantization: {{{more}"), encoding="utf-8")

    assert card.load(str(path)).quantization.spelled_out_batch_norms == said
    path.write_text(text.replace("quantization: {", "quantization: {spelled_out_batch_norms: yes, "), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="spelled_out_batch_norms"):
        card.load(str(path))


@pytest.fixture
def stored(demo_artifacts: Artifacts, tmp_path: Path) -> Path:
    """The demo's encodings, in a file of their own."""
    path = tmp_path / "given.encodings"
    encodings_file.write(path, demo_artifacts.quantization)
    return path


def test_encodings_make_a_round_trip(stored: Path, demo_artifacts: Artifacts) -> None:
    found = encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM, ACTIVATION])

    assert found == demo_artifacts.encodings


_WEIGHT = "BoxPredictor_0/ClassPredictor/weights/read:0"


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"max": float("nan")}, StorageError, "max nan, scale .* are not all finite"),
    ({"min": 3.0, "max": -3.0}, StorageError, "the range 3.0 .. -3.0 is inverted"),
    ({"min": 3.0, "max": 9.0}, StorageError, "does not hold zero"),
    ({"scale": 5.0}, StorageError, "the scale 5.0 is not the range"),
    ({"bitwidth": 99}, StorageError, "99 is not a bit width"),
    ({"is_symmetric": "maybe"}, StorageError, "not readable as an encodings file"),
    ({"is_symmetric": "True"}, ConfigurationError, "is symmetric, its quantizer asymmetric"),
    ({"bitwidth": 4, "scale": None}, ConfigurationError, "has 4 bits, its quantizer 8"),
])
def test_a_wrong_encoding_is_refused_by_name(stored: Path, demo_artifacts: Artifacts, change: Dict[str, Any],
                                             error: type, message: str) -> None:
    document = json.loads(stored.read_text())
    item = document["param_encodings"][_WEIGHT][0]
    item.update(change)
    if item["scale"] is None:
        item["scale"] = (item["max"] - item["min"]) / (2 ** item["bitwidth"] - 1)
    stored.write_text(json.dumps(document))

    with pytest.raises(error, match=message):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])


@pytest.mark.parametrize(("end", "loads"), [(-1.4e-17, True), (0.0, True), (1e-9, True), (-2.0 / 255, False)])
def test_what_the_loader_takes_the_check_of_encodings_takes(stored: Path, demo_artifacts: Artifacts, end: float,
                                                           loads: bool) -> None:
    document = json.loads(stored.read_text())
    item = document["param_encodings"][_WEIGHT][0]
    item.update(min=-1.0, max=end, scale=(end + 1.0) / 255, offset=-255)
    stored.write_text(json.dumps(document))
    given = Encoding(-1.0, end, item["scale"], -255, 8)

    assert (assumptions.wrong_range([given]) is None) == loads
    if loads:
        assert encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers,
                                       [PARAM])[_WEIGHT] == (given,)
    else:
        with pytest.raises(StorageError, match="does not hold zero"):
            encodings_file.read(stored)


def test_unknown_and_missing_encodings_are_refused_by_name(stored: Path, demo_artifacts: Artifacts) -> None:
    document = json.loads(stored.read_text())
    params = document["param_encodings"]
    params[_WEIGHT.replace("read", "reed")] = params[_WEIGHT]
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="reed:0' is no enabled param quantizer.*did you mean .*read:0"):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])

    del params[_WEIGHT.replace("read", "reed")], params[_WEIGHT]
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=f"no encoding for the enabled param quantizer '{_WEIGHT}'"):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])
