"""Loading, folding, placing and simulating on the demo network and on small graphs."""

import json
from pathlib import Path
from typing import Dict

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import CheckpointError, GraphError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images, shards
from quant_accuracy.graph import fold, load
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import encodings, placement, simulate
from quant_accuracy.quantization.records import ACTIVATION, Encoding, Quantization, Settings
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.conftest import Run
from tests.support.places import REFERENCE

_ORACLE = json.loads((REFERENCE / "aimet_placement.json").read_text())
_OUTPUTS = ["concat:0", "concat_1:0"]


@pytest.fixture(scope="module")
def image(demo: DataPaths) -> np.ndarray:
    return images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 2, 300, 300)[1]


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


def test_frozen_graph_equals_the_restored_checkpoint(demo: DataPaths, demo_artifacts: Artifacts, image: np.ndarray,
                                                     run_graph: Run) -> None:
    feed = {"image_tensor:0": image}
    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(f"{demo.checkpoint}.meta")
        with tf.Session() as session:
            saver.restore(session, str(demo.checkpoint))
            wanted = session.run(_OUTPUTS, feed)

    found = run_graph(_read(demo_artifacts.float_folder / "float.pb"), _OUTPUTS, feed)

    for a, b in zip(wanted, found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_quantizers_are_exactly_aimets(demo_artifacts: Artifacts) -> None:
    found = {(q.name, q.tensor, q.kind, q.enabled) for q in demo_artifacts.quantizers}

    assert found == {tuple(item) for item in _ORACLE["quantizers"]}


def test_simulated_activation_is_the_quantized_input_of_its_quantizer(demo_artifacts: Artifacts, image: np.ndarray,
                                                                      run_graph: Run) -> None:
    chosen = [q for q in demo_artifacts.quantizers if q.enabled and q.kind == ACTIVATION][::10]
    before = [q.tensor for q in chosen]
    after = [q.name + ":0" for q in chosen]

    values = run_graph(demo_artifacts.graph(QUANTIZED), before + after, {"image_tensor:0": image})

    for quantizer, raw, quantized in zip(chosen, values, values[len(chosen):]):
        (encoding,) = demo_artifacts.encodings[quantizer.tensor]
        wanted = encodings.quantize_dequantize(raw, encoding)
        different = np.abs(wanted - quantized) > 1e-3 * encoding.scale
        # Where the two differ, the value lies between two steps to within float32's rounding.
        steps = raw[different].astype(np.float64) / encoding.scale
        assert np.abs(np.abs(steps - np.floor(steps)) - 0.5).max(initial=0.0) < 1e-3
        assert different.mean() < 1e-3


def test_simulated_weights_have_at_most_256_values(demo_artifacts: Artifacts) -> None:
    nodes = graph_nodes.by_name(demo_artifacts.graph(QUANTIZED))

    for name in ("FeatureExtractor/MobilenetV2/Conv/weights", "BoxPredictor_0/ClassPredictor/weights"):
        assert len(np.unique(graph_nodes.constant(nodes, name))) <= 256


def test_consumers_of_the_network_outputs_take_the_quantized_ones(demo_artifacts: Artifacts) -> None:
    uses = graph_nodes.uses(demo_artifacts.graph(QUANTIZED).node)

    for output in ("concat", "concat_1"):
        assert [use.node.op for use in uses[f"{output}:0"]] == ["FakeQuantWithMinMaxArgs"]


def _small_network(shared: bool = False, tapped: bool = False) -> tf.GraphDef:
    """Input -> conv -> batch norm -> relu, with weights used twice or the convolution's output used twice."""
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        random = np.random.RandomState(0)
        weights = tf.constant(random.normal(size=(3, 3, 3, 4)).astype(np.float32), name="net/weights")
        conv = tf.nn.conv2d(start, weights, 1, "SAME", name="net/Conv2D")
        if shared:
            tf.nn.conv2d(start, weights, 2, "SAME", name="net/other/Conv2D")
        parameters = [tf.constant(random.uniform(0.5, 2.0, size=4).astype(np.float32)) for _ in range(4)]
        norm = tf.nn.fused_batch_norm(conv, *parameters, is_training=False, name="net/norm")[0]
        if tapped:
            norm = norm + conv
        tf.nn.relu(norm, name="end")
    return graph.as_graph_def()


@pytest.mark.parametrize(("changes", "reason"), [({"shared": True}, "are shared"),
                                                 ({"tapped": True}, "used elsewhere")])
def test_a_batch_norm_that_cannot_be_folded_is_left_with_the_reason(changes: Dict[str, bool], reason: str) -> None:
    result = fold.fold_batch_norms(Network(_small_network(**changes), "start", ["end"]))

    assert [reason in item.reason for item in result.not_folded] == [True]
    assert not result.folded


def test_folding_a_small_network_keeps_its_output(run_graph: Run) -> None:
    graph = _small_network()
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [item.output for item in result.folded] == ["bias_value_1"]
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=1e-5, atol=1e-5)


def test_conv_and_relu_share_one_quantizer_behind_the_relu() -> None:
    folded = fold.fold_batch_norms(Network(_small_network(), "start", ["end"])).graph

    placed = placement.place_quantizers(Network(folded, "start", ["end"]), Settings(param_bitwidth=4))

    assert {(q.tensor, q.bitwidth, q.enabled) for q in placed} == {
        ("net/weights:0", 4, True), ("bias_value/read:0", 4, False), ("bias_value_1:0", 8, False), ("end:0", 8, True)}


def test_a_quantizer_without_its_tensor_is_an_error() -> None:
    folded = fold.fold_batch_norms(Network(_small_network(), "start", ["end"])).graph
    placed = placement.place_quantizers(Network(folded, "start", ["end"]), Settings())
    encoding = Encoding(0.0, 1.0, 1 / 255, 0, 8)

    with pytest.raises(GraphError, match="0 of 1 activation quantizers"):
        simulate.insert_fake_quant(tf.GraphDef(), Quantization(placed, {q.tensor: (encoding,) for q in placed}))


def test_a_missing_op_is_named_with_near_names(demo_copy: DataPaths) -> None:
    with pytest.raises(GraphError, match="no op 'detection_box'.*did you mean detection_boxes"):
        load.load_frozen(demo_copy.checkpoint, ["detection_box"])


def test_a_renamed_op_is_an_error_that_names_it(demo_copy: DataPaths, demo_card: ModelCard) -> None:
    path = Path(f"{demo_copy.checkpoint}.meta")
    path.write_bytes(path.read_bytes().replace(b"concat_1", b"concat_Q"))

    with pytest.raises(GraphError, match="no op 'concat_1'.*did you mean.*concat_Q"):
        load.load_frozen(demo_copy.checkpoint, demo_card.graph.output_ops)


def test_a_starting_op_that_does_not_lead_to_the_outputs_is_an_error(demo_artifacts: Artifacts) -> None:
    with pytest.raises(GraphError, match="'detection_boxes' does not lead to the output op 'concat'"):
        graph_nodes.between(demo_artifacts.graph(FLOAT), "detection_boxes", ["concat"])


@pytest.mark.parametrize("suffix", [".meta", ".index", ".data-00000-of-00001"])
def test_a_missing_part_of_a_checkpoint_is_named(demo_copy: DataPaths, suffix: str) -> None:
    Path(f"{demo_copy.checkpoint}{suffix}").unlink()

    with pytest.raises(CheckpointError, match=r"model\.ckpt\.(meta|index|data).*(copy|export)"):
        load.load_frozen(demo_copy.checkpoint, ["concat"])


@pytest.mark.parametrize("suffix", [".meta", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_part_that_is_cut_short_is_an_error(demo_copy: DataPaths, suffix: str) -> None:
    path = Path(f"{demo_copy.checkpoint}{suffix}")
    path.write_bytes(path.read_bytes()[:len(path.read_bytes()) // 2])

    with pytest.raises(CheckpointError, match="copy the checkpoint again"):
        load.load_frozen(demo_copy.checkpoint, ["concat", "concat_1"])


def test_flipped_bytes_in_the_weights_are_found(demo_copy: DataPaths) -> None:
    path = Path(f"{demo_copy.checkpoint}.data-00000-of-00001")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))

    with pytest.raises(CheckpointError, match=r"Checksum.*copy the checkpoint again"):
        load.load_frozen(demo_copy.checkpoint, ["concat", "concat_1"])


@pytest.mark.parametrize("end", [b"\0\0\0" + b"\xff" * 8 + b"\x7f", b"\0\0" + b"\xff" * 8 + b"\x7f\1"],
                         ids=["size", "offset"])
def test_an_index_that_names_a_block_beyond_its_end_is_an_error_and_does_not_end_the_process(
        demo_copy: DataPaths, end: bytes) -> None:
    path = Path(f"{demo_copy.checkpoint}.index")
    content = path.read_bytes()
    path.write_bytes(content[:-48] + end.ljust(40, b"\0") + content[-8:])

    with pytest.raises(CheckpointError, match=r"model\.ckpt\.index: its end is damaged.*copy the checkpoint again"):
        load.load_frozen(demo_copy.checkpoint, ["concat", "concat_1"])


def test_a_variable_that_is_said_to_be_larger_than_the_checkpoint_is_not_read(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        tf.identity(tf.get_variable("huge", initializer=np.zeros(4, np.float32)), name="out")
        tf.train.export_meta_graph(str(tmp_path / "model.ckpt.meta"), saver_def=tf.train.Saver().saver_def)
        # A part of a variable, which says how large the whole is.
        session.run(tf.raw_ops.SaveV2(prefix=str(tmp_path / "model.ckpt"), tensor_names=["huge"],
                                      shape_and_slices=["1000000000000 0,4"], tensors=[np.zeros(4, np.float32)]))

    with pytest.raises(CheckpointError, match=r"'huge' is said to have the shape \[1000000000000\], which .* 16 bytes"):
        load.load_frozen(tmp_path / "model.ckpt", ["out"])


def test_a_weight_that_is_nan_is_named(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        weight = tf.Variable(np.array([1.0, np.nan], np.float32), name="broken")
        tf.identity(weight, name="out")
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    with pytest.raises(CheckpointError, match="1 of 2 values of 'broken' are NaN"):
        load.load_frozen(tmp_path / "model.ckpt", ["out"])


def test_resource_variables_are_frozen_too(tmp_path: Path, run_graph: Run) -> None:
    with tf.Graph().as_default():
        weight = tf.get_variable("weight", initializer=np.array([3.0], np.float32), use_resource=True)
        tf.identity(weight * 2.0, name="out")
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver({"other_name": weight}).save(session, str(tmp_path / "model.ckpt"))

    graph = load.load_frozen(tmp_path / "model.ckpt", ["out"])

    assert run_graph(graph, ["out:0"], {})[0].tolist() == [6.0]


def test_of_several_savers_the_one_that_wrote_the_checkpoint_counts(tmp_path: Path, run_graph: Run) -> None:
    with tf.Graph().as_default():
        weight = tf.Variable(np.array([3.0], np.float32), name="weight")
        tf.identity(weight, name="out")
        tf.train.Saver({"weight/ExponentialMovingAverage": weight})
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    graph = load.load_frozen(tmp_path / "model.ckpt", ["out"])

    assert run_graph(graph, ["out:0"], {})[0].tolist() == [3.0]
