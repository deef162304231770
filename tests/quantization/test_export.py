"""The checkpoint that an export writes, on a small network."""

import json
from pathlib import Path
from typing import Set

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.base.errors import GraphError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, export, placement
from quant_accuracy.quantization.records import Settings
from tests.support import training
from tests.support.places import REFERENCE


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


def _end(graph: tf.GraphDef) -> np.ndarray:
    return training.outputs_of(graph, ["end:0"], {"images:0": training.IMAGES})[0]


@pytest.mark.parametrize(("name", "kinds"), [("keras", {"VarHandleOp", "VariableV2"}), ("tf.layers", {"VariableV2"}),
                                             ("slim", {"VariableV2"})])
def test_an_exported_network_has_the_tensors_of_the_encodings_and_computes_the_same(name: str, kinds: Set[str],
                                                                                    tmp_path: Path) -> None:
    trained = training.with_phase(tmp_path, name)
    network = Network(load.load_frozen(trained.prefix, ["end"]), "images", ["end"])
    folded = fold.fold_batch_norms(network).graph
    quantizers = placement.place_quantizers(Network(folded, "images", ["end"]), Settings())
    encodings = calibrate.calibrate(folded, quantizers, Settings(), "images", [training.IMAGES]).encodings

    export.write_checkpoint(folded, tmp_path / "quantsim")

    with tf.Graph().as_default() as graph, tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "quantsim" / "model.meta"))
        saver.restore(session, str(tmp_path / "quantsim" / "model"))
        found = session.run("end:0", {"images:0": training.IMAGES})
        tensors = [graph.get_tensor_by_name(tensor) for tensor in encodings]
        # Biases that folding has made are references in AIMET too, whatever the other variables are.
        assert {variable.op.type for variable in tf.global_variables()} == kinds
    assert len(tensors) > 5
    np.testing.assert_allclose(found, _end(folded), rtol=1e-6)
    # What it wrote can be evaluated in turn.
    np.testing.assert_allclose(_end(load.load_frozen(tmp_path / "quantsim" / "model", ["end"])), found, rtol=1e-6)


@pytest.mark.parametrize("path", sorted((REFERENCE / "aimet_networks").glob("*/aimet.json")),
                         ids=lambda path: path.parent.name)
def test_an_export_of_a_network_that_aimet_knows_has_the_tensors_that_aimet_has_encodings_of(path: Path,
                                                                                             tmp_path: Path) -> None:
    folder, document = path.parent, json.loads(path.read_text())
    outputs, inputs = document["output_ops"], np.load(folder / "inputs.npz")
    feed = {f"{name}:0": inputs[f"batch_0/{name}"] for name in document["starting_ops"]}
    frozen = load.load_frozen(folder / "model.ckpt", outputs)
    folded = fold.fold_batch_norms(Network(frozen, document["starting_ops"], outputs)).graph

    export.write_checkpoint(folded, tmp_path)

    with tf.Graph().as_default() as graph, tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        saver.restore(session, str(tmp_path / "model"))
        assert [graph.get_tensor_by_name(tensor) for tensor in document["default"]["encodings"]]
        found = session.run([f"{name}:0" for name in outputs], feed)
    for one, other in zip(found, training.outputs_of(folded, [f"{name}:0" for name in outputs], feed)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_what_takes_a_resource_without_a_reader_takes_its_value(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        weights = tf.constant(np.arange(3, dtype=np.float32), name="weights")
        first = tf.identity(weights, name="first/ReadVariableOp")
        second = tf.identity(weights, name="second/ReadVariableOp_1")
        tf.stack([first, second, weights], name="end")

    export.write_checkpoint(graph.as_graph_def(), tmp_path)

    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(str(tmp_path / "model.meta"))
        saver.restore(session, str(tmp_path / "model"))
        assert session.run("end:0").tolist() == [[0.0, 1.0, 2.0]] * 3


def test_a_network_without_variables_is_an_error_that_says_so(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        tf.identity(tf.constant([1.0]) + 1, name="end")

    with pytest.raises(GraphError, match="reads no weights as variables.*leave --quantsim-output-dir out"):
        export.write_checkpoint(graph.as_graph_def(), tmp_path)


def test_the_yaml_says_what_the_encodings_say(tmp_path: Path) -> None:
    (tmp_path / "model.encodings").write_text('{"activation_encodings": {"a:0": [{"bitwidth": 8, "scale": 0.5}]}}')

    export.write_yaml(tmp_path / "model.encodings", tmp_path / "model.encodings.yaml")

    assert yaml.safe_load((tmp_path / "model.encodings.yaml").read_text()) == {
        "activation_encodings": {"a:0": [{"bitwidth": 8, "scale": 0.5}]}}
