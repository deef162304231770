"""Networks with a learning phase, or in training mode, against what TensorFlow computes when it is told to infer."""

from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing import inference, load
from quant_accuracy.graph import marks
from tests.support import lanes, training
from tests.support.slim import slim

_OF_PHASES = ("Placeholder", "PlaceholderWithDefault", "Switch", "Merge", "RandomUniform")


def _agrees(trained: training.Trained) -> tf.GraphDef:
    frozen = load.load_frozen(trained.prefix, ["end"])
    (found,) = training.outputs_of(frozen, ["end:0"], {"images:0": training.IMAGES})

    np.testing.assert_allclose(found, trained.output, rtol=1e-5, atol=1e-5)
    return frozen


def _of_phases(graph: tf.GraphDef) -> Dict[str, str]:
    return {node.name: node.op for node in graph.node if node.op in _OF_PHASES and node.name != "images"}


@pytest.mark.parametrize("name", sorted(set(training.WITH_PHASE) - {"computed predicates"}))
def test_a_placeholder_of_the_phase_is_settled_to_inference(name: str, tmp_path: Path) -> None:
    frozen = _agrees(training.with_phase(tmp_path, name))

    assert not _of_phases(frozen)
    assert marks.phases(frozen)["phase/is_training"] >= 3


@pytest.mark.parametrize("name", ["keras", "keras in plain ops"])
def test_the_learning_phase_of_keras_is_settled_to_inference(name: str, tmp_path: Path) -> None:
    frozen = _agrees(training.with_phase(tmp_path, name, training.LEARNING_PHASE))
    nodes = {node.name: node for node in frozen.node}

    assert not _of_phases(frozen)
    assert marks.phases(frozen)["keras_learning_phase"] >= 3
    # Under its own name, and known for what it was.
    assert nodes["dropout/cond/Merge"].op == "Identity"
    assert nodes["dropout/cond/Merge"].attr[marks.RESOLVED].s == b"Merge"


@pytest.mark.parametrize("kind", [training.DEFAULT_OF_TRUE, training.OPPOSITE])
@pytest.mark.parametrize("name", ["keras", "keras in plain ops", "slim, updates in place"])
def test_a_phase_whose_own_value_means_training_has_the_other_one(name: str, kind: str, tmp_path: Path) -> None:
    frozen = _agrees(training.with_phase(tmp_path, name, kind))

    assert not _of_phases(frozen)
    assert max(marks.phases(frozen).values()) >= 3


def test_computed_and_nested_predicates_are_settled_and_what_images_or_loops_decide_stays(tmp_path: Path) -> None:
    frozen = _agrees(training.with_phase(tmp_path, "computed predicates"))
    left = _of_phases(frozen)

    assert {"cond_1/Merge", "map/while/Merge", "map/while/Switch"} <= set(left)
    assert not {"phase/is_training", "cond/Merge", "cond_1/cond/Merge", "map/while/cond/Merge"} & set(left)
    assert "RandomUniform" not in left.values()


@pytest.mark.parametrize("name", sorted(training.FOR_TRAINING))
def test_batch_norms_in_training_mode_take_their_moving_averages(name: str, tmp_path: Path) -> None:
    frozen = _agrees(training.for_training(tmp_path, name))

    assert not any(node.attr["is_training"].b for node in frozen.node if node.op.startswith("FusedBatchNorm"))
    assert not any(node.op.startswith("AssignSub") for node in frozen.node)


def _edited(prefix: Path, change: Callable[[tf.GraphDef], None]) -> None:
    meta = tf.MetaGraphDef()
    path = Path(f"{prefix}.meta")
    meta.ParseFromString(path.read_bytes())
    change(meta.graph_def)
    path.write_bytes(meta.SerializeToString())


def _without_updates(graph: tf.GraphDef) -> None:
    kept = [node for node in graph.node if "AssignMovingAvg" not in node.name]
    for node in kept:
        inputs = [source for source in node.input if "AssignMovingAvg" not in source]
        del node.input[:]
        node.input.extend(inputs)
        node.attr.pop("is_training", None)
    del graph.node[:]
    graph.node.extend(kept)


@pytest.mark.parametrize("name", ["keras", "slim"])
def test_moving_averages_are_found_by_name_where_the_graph_has_lost_its_updates(name: str, tmp_path: Path) -> None:
    trained = training.for_training(tmp_path, name)
    # The attribute is_training goes too: True is its default.
    _edited(trained.prefix, _without_updates)

    _agrees(trained)


def test_a_batch_norm_in_training_mode_without_moving_averages_is_one_clear_line(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 8, 8, 3], name="images")
        gamma = tf.get_variable("gamma", [3])
        norm = tf.nn.fused_batch_norm(images, gamma, gamma, name="net/norm")[0]
        tf.identity(norm, name="end")
        tf.identity(images * gamma, name="beside")
        session.run(tf.global_variables_initializer())
        prefix = Path(tf.train.Saver().save(session, str(tmp_path / "model.ckpt")))

    with pytest.raises(GraphError, match=r"model\.ckpt\.meta: the batch norm 'net/norm' is in training mode, and "
                                         r"nothing in the graph says which variable is its moving_mean and its "
                                         r"moving_variance; export the checkpoint for inference"):
        load.load_frozen(prefix, ["end"])
    assert load.load_frozen(prefix, ["beside"])


def test_an_output_in_the_branch_for_training_is_one_clear_line(tmp_path: Path) -> None:
    trained = training.with_phase(tmp_path, "keras", training.LEARNING_PHASE)
    output = "dropout/cond/dropout/mul_1" if lanes.TENSORFLOW_1 else "dropout/cond/dropout/SelectV2"

    with pytest.raises(GraphError, match=f"'{output}' is in the branch for training.*model card"):
        load.load_frozen(trained.prefix, [output])


def _conds(build: Callable[[], Any]) -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        build()
    settled = inference.to_inference(graph.as_graph_def(), ["end"])
    return tf.graph_util.extract_sub_graph(settled, ["end"])


def _old_dropout(x: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
    """As TensorFlow before 1.13 writes it."""
    return tf.math.divide(x, keep) * tf.floor(keep + tf.random.uniform(tf.shape(x)))


def _new_dropout(x: tf.Tensor, rate: float) -> tf.Tensor:
    """As TensorFlow 2 writes it."""
    kept = tf.random.uniform(tf.shape(x)) >= rate
    return tf.raw_ops.SelectV2(condition=kept, t=x * (1.0 / (1.0 - rate)), e=tf.constant(0.0))


@pytest.mark.parametrize("drop", [
    lambda x: tf.nn.dropout(x, rate=0.5),
    lambda x: tf.nn.dropout(x, keep_prob=tf.placeholder(tf.float32, [], name="keep_prob")),
    lambda x: tf.keras.layers.Dropout(0.5)(x, training=True),
    lambda x: slim.dropout(x, is_training=True),
    lambda x: _old_dropout(x, tf.placeholder(tf.float32, [], name="keep_prob")),
    lambda x: _new_dropout(x, 0.5)],
    ids=["rate", "placeholder of the rate", "Keras", "slim", "before TensorFlow 1.13", "TensorFlow 2"])
def test_a_dropout_that_is_on_passes_on_what_it_takes(drop: Callable[[tf.Tensor], tf.Tensor]) -> None:
    settled = _conds(lambda: tf.identity(drop(tf.constant([1.0, 2.0, 3.0]) * 2.0), name="end"))

    assert not _of_phases(settled)
    assert [node.op for node in settled.node if node.attr[marks.RESOLVED].s == b"Dropout"] == ["Identity"]
    assert training.outputs_of(settled, ["end:0"], {})[0].tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("chance", [
    lambda: tf.constant(1.0) * tf.random.uniform([]) * tf.constant(2.0),
    lambda: tf.raw_ops.SelectV2(condition=tf.random.uniform([]) >= 0.5, t=tf.constant(1.0) * 2.0, e=tf.constant(3.0))],
    ids=["a factor", "another value"])
def test_chance_that_is_no_dropout_stays(chance: Callable[[], tf.Tensor]) -> None:
    settled = _conds(lambda: tf.identity(chance(), name="end"))

    assert list(_of_phases(settled).values()) == ["RandomUniform"]


def test_which_branch_was_taken_is_a_constant_where_the_graph_asks_for_it() -> None:
    def build() -> None:
        taken, left = tf.raw_ops.Switch(data=tf.constant(2.0), pred=tf.placeholder(tf.bool, name="phase"))
        merged = tf.raw_ops.Merge(inputs=[tf.identity(left), tf.identity(taken)])
        tf.stack([merged.output, tf.cast(merged.value_index, tf.float32)], name="end")

    settled = _conds(build)

    assert not _of_phases(settled)
    assert training.outputs_of(settled, ["end:0"], {})[0].tolist() == [2.0, 1.0]


def test_a_default_of_true_is_what_the_graph_runs_with() -> None:
    def build() -> None:
        phase = tf.placeholder_with_default(True, [], name="phase")
        tf.identity(tf.cond(phase, lambda: tf.constant(1.0), lambda: tf.constant(0.0)), name="end")

    assert training.outputs_of(_conds(build), ["end:0"], {}) == [1.0]


def test_a_choice_that_is_no_matter_of_training_keeps_its_default() -> None:
    """Statistics of one image, as those of an instance norm, are there for inference too."""
    images = np.random.RandomState(0).normal(size=[2, 4, 4, 3]).astype(np.float32)

    def build() -> None:
        choice = tf.placeholder_with_default(False, [], name="without_norm")
        x = tf.constant(images)
        tf.identity(tf.cond(choice, lambda: x, lambda: x - tf.nn.moments(x, [1, 2], keep_dims=True)[1]), name="end")

    (found,) = training.outputs_of(_conds(build), ["end:0"], {})
    np.testing.assert_allclose(found, images - images.var(axis=(1, 2), keepdims=True), rtol=1e-5, atol=1e-5)


def test_a_mask_that_is_fed_is_no_phase() -> None:
    def build() -> None:
        tf.where(tf.placeholder(tf.bool, [2], name="mask"), [1.0, 1.0], [0.0, 0.0], name="end")

    assert list(_of_phases(_conds(build))) == ["mask"]


def test_a_switch_that_takes_what_it_gives_is_an_error() -> None:
    graph = tf.GraphDef()
    of_float = 'attr { key: "T" value { type: DT_FLOAT } }'
    text_format.Parse(f"""
        node {{ name: "on" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_BOOL }} }} }}
        node {{ name: "round" op: "Switch" input: "round" input: "on" {of_float} }}
        node {{ name: "end" op: "Identity" input: "round" {of_float} }}""", graph)

    with pytest.raises(GraphError, match="'round' takes what it gives.*copy the checkpoint again"):
        inference.to_inference(graph, ["end"])
