"""From a checkpoint to a frozen graph, and what is said of checkpoints that cannot be one."""

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import function

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import (
    CheckpointError,
    GraphError,
)
from quant_accuracy.freezing import load
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.conftest import Run
from tests.support import training

_OUTPUTS = ["concat:0", "concat_1:0"]


def _read(path: Path) -> tf.GraphDef:
    return tf.GraphDef.FromString(path.read_bytes())


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


def test_a_missing_op_is_named_with_near_names(demo_copy: DataPaths) -> None:
    with pytest.raises(GraphError, match="no op 'detection_box'.*did you mean detection_boxes"):
        load.load_frozen(demo_copy.checkpoint, ["detection_box"])


def test_a_renamed_op_is_an_error_that_names_it(demo_copy: DataPaths, demo_card: ModelCard) -> None:
    path = Path(f"{demo_copy.checkpoint}.meta")
    path.write_bytes(path.read_bytes().replace(b"concat_1", b"concat_Q"))

    with pytest.raises(GraphError, match="no op 'concat_1'.*did you mean.*concat_Q"):
        load.load_frozen(demo_copy.checkpoint, demo_card.graph.output_ops)


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


def _change_nodes(data: DataPaths, change: Callable[[tf.GraphDef], None]) -> Path:
    path = Path(f"{data.checkpoint}.meta")
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    change(meta.graph_def)
    path.write_bytes(meta.SerializeToString())
    return data.checkpoint


def _first(graph: tf.GraphDef, op: str) -> tf.NodeDef:
    names = {node.name for node in tf.graph_util.extract_sub_graph(graph, ["concat"]).node}
    return next(node for node in graph.node if node.op == op and node.name in names)


def _unfold(graph: tf.GraphDef) -> None:
    tensor = _first(graph, "Const").attr["value"].tensor
    tensor.tensor_shape.dim.add(size=10 ** 12)


def _retype(graph: tf.GraphDef) -> None:
    node = _first(graph, "Const")
    node.attr["value"].tensor.dtype = 1 if node.attr["dtype"].type != 1 else 3


def _enter_again(graph: tf.GraphDef) -> None:
    node = _first(graph, "Merge")
    node.input.append(node.input[0])


def _beside_nothing(graph: tf.GraphDef) -> None:
    _first(graph, "Conv2D").attr["_class"].list.s.append(b"loc:@nothing")


def _beside_no_text(graph: tf.GraphDef) -> None:
    _first(graph, "Conv2D").attr["_class"].list.s.append(b"\xff")


@pytest.mark.parametrize(("change", "message"), [
    (_beside_nothing, "takes 'nothing', which no op gives"), (_beside_no_text, "_class of the op .* is not text"),
    (_unfold, "has the shape"),
    (_retype, "values of another type"), (_enter_again, "the loop at '.*/Merge' is entered in more than one place"),
    (lambda graph: _first(graph, "Conv2D").attr.pop("T"), "TensorFlow cannot build the graph"),
    (lambda graph: _first(graph, "Conv2D").input.__setitem__(0, "nothing"), "takes 'nothing', which no op gives"),
    (lambda graph: setattr(_first(graph, "Conv2D"), "op", "Sin"), "TensorFlow cannot build the graph"),
], ids=["beside nothing", "beside no text", "constant of terabytes", "constant of another type", "loop entered twice",
        "attribute gone", "input gone", "op of another type"])
def test_a_graph_that_tensorflow_cannot_build_is_one_clear_error(demo_copy: DataPaths, message: str,
                                                                change: Callable[[tf.GraphDef], Any]) -> None:
    with pytest.raises(GraphError, match=message):
        load.load_frozen(_change_nodes(demo_copy, change), ["concat"])


def test_names_of_variables_that_would_fill_the_memory_are_refused(demo_copy: DataPaths) -> None:
    def unfold(graph: tf.GraphDef) -> None:
        names = next(node for node in graph.node if node.name == "save/RestoreV2/tensor_names")
        names.attr["value"].tensor.tensor_shape.dim[0].size = 10 ** 12

    with pytest.raises(CheckpointError, match=r"has the shape \[1000000000000\], which its values do not fill"):
        load.load_frozen(_change_nodes(demo_copy, unfold), ["concat"])


def test_an_attribute_that_is_no_text_is_an_error_that_names_its_op(tmp_path: Path) -> None:
    """TensorFlow ends the process when it quotes one in a message."""
    with tf.Graph().as_default(), tf.Session() as session:
        bias = tf.get_variable("bias", [3])
        tf.nn.bias_add(tf.ones([1, 3]), bias, name="out")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    path = tmp_path / "model.ckpt.meta"
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    (node,) = [node for node in meta.graph_def.node if node.name == "out"]
    node.attr["data_format"].s = b"\xff\xfe"
    path.write_bytes(meta.SerializeToString())

    with pytest.raises(GraphError, match="data_format of the op 'out' is not text; copy the checkpoint again"):
        load.load_frozen(tmp_path / "model.ckpt", ["out"])


def test_branches_that_are_functions_are_an_error_that_says_how_to_write_others(tmp_path: Path) -> None:
    tf.enable_control_flow_v2()
    try:
        trained = training.with_phase(tmp_path, "slim")
    finally:
        tf.disable_control_flow_v2()

    for trusted in (False, True):
        with pytest.raises(GraphError, match=r"'Conv/BatchNorm/cond' is a (Stateless)?If, whose branches are functions"
                                             r"; export .*tf.disable_control_flow_v2\(\)"):
            load.load_frozen(trained.prefix, ["end"], trusted)


def test_a_branch_of_switch_case_is_an_error_that_names_what_to_write_instead(tmp_path: Path) -> None:
    def network(write: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Path:
        return _saved(tmp_path, lambda image: write(tf.placeholder_with_default(1, [], "mode"), image))

    prefix = network(lambda mode, image: tf.switch_case(mode, {0: lambda: image, 1: lambda: image * 3.0}))
    said = r"is a (Stateless)?Case, whose branches are functions; export .* tf.case in place of"
    with pytest.raises(GraphError, match=said):
        load.load_frozen(prefix, ["out"])

    prefix = network(lambda mode, image: tf.case([(tf.equal(mode, 0), lambda: image)], lambda: image * 3.0))
    assert load.load_frozen(prefix, ["out"]).node


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("kind", ["tf.function", "Defun"])
def test_a_call_of_a_function_is_an_error_whose_remedy_works(tmp_path: Path, kind: str, trusted: bool) -> None:
    """Freezing would lose the function, and nothing in it would be quantized."""
    def swish(image: tf.Tensor) -> tf.Tensor:
        return image * tf.sigmoid(image)

    written = tf.function(swish) if kind == "tf.function" else function.Defun(tf.float32)(swish)
    with pytest.raises(GraphError, match="the call of a function, .*; export .* without tf.function and Defun"):
        load.load_frozen(_saved(tmp_path, written), ["out"], trusted)

    tf.config.experimental_run_functions_eagerly(True)
    try:
        assert load.load_frozen(_saved(tmp_path, tf.function(swish)), ["out"], trusted).node
    finally:
        tf.config.experimental_run_functions_eagerly(False)


def _saved(folder: Path, network: Callable[[tf.Tensor], tf.Tensor]) -> Path:
    """A checkpoint of `out`, a variable times what a network makes of the placeholder `image`."""
    with tf.Graph().as_default(), tf.Session() as session:
        made = network(tf.placeholder(tf.float32, [None, 3], "image"))
        tf.multiply(made, tf.get_variable("factor", [3]), name="out")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / "model.ckpt"))
    return folder / "model.ckpt"
