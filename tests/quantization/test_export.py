"""The checkpoint that an export writes, on a small network."""

from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.quantization import export


def _frozen() -> tf.GraphDef:
    """A network whose weights are constants that are read as variables are, and one that never was a variable."""
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [None, 3], name="start")
        weights = tf.identity(tf.constant(np.arange(6, dtype=np.float32).reshape(3, 2), name="weights"),
                              name="weights/read")
        tf.add(tf.matmul(start, weights), tf.constant(np.float32([1, 2]), name="shift"), name="end")
    return graph.as_graph_def()


def test_weights_are_variables_again_and_the_network_computes_the_same(tmp_path: Path) -> None:
    written = export.write_checkpoint(_frozen(), tmp_path)

    assert [path.name for path in written] == ["checkpoint", "model.data-00000-of-00001", "model.index", "model.meta"]
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        saver.restore(session, str(tmp_path / "model"))
        assert [variable.op.name for variable in tf.global_variables()] == ["weights"]
        found = session.run("end:0", {"start:0": [[1.0, 1.0, 1.0]]})
    assert found.tolist() == [[7.0, 11.0]]


def test_an_exported_checkpoint_can_be_trained_on_from_its_weights(tmp_path: Path) -> None:
    export.write_checkpoint(_frozen(), tmp_path)

    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        saver.restore(session, str(tmp_path / "model"))
        (variable,) = tf.global_variables()
        variable.load(np.ones([3, 2], np.float32), session)
        assert session.run("end:0", {"start:0": [[1.0, 1.0, 1.0]]}).tolist() == [[4.0, 5.0]]


def test_the_yaml_says_what_the_encodings_say(tmp_path: Path) -> None:
    (tmp_path / "model.encodings").write_text('{"activation_encodings": {"a:0": [{"bitwidth": 8, "scale": 0.5}]}}')

    export.write_yaml(tmp_path / "model.encodings", tmp_path / "model.encodings.yaml")

    assert yaml.safe_load((tmp_path / "model.encodings.yaml").read_text()) == {
        "activation_encodings": {"a:0": [{"bitwidth": 8, "scale": 0.5}]}}
