"""Pruning a checkpoint's graph to the network: it restores, computes the same, and can be saved again."""

from pathlib import Path
from typing import Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import prune
from quant_accuracy.settings.card import DataPaths

_OUTPUTS = ["concat", "concat_1"]
_VARIABLES = ("VariableV2", "Variable", "VarHandleOp")


def _meta(path: DataPaths) -> tf.MetaGraphDef:
    return tf.MetaGraphDef.FromString(Path(f"{path.checkpoint}.meta").read_bytes())


def _outputs(meta: tf.MetaGraphDef, checkpoint: Path, image: np.ndarray) -> Sequence[np.ndarray]:
    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(meta)
        with tf.Session() as session:
            saver.restore(session, str(checkpoint))
            return list(session.run([f"{name}:0" for name in _OUTPUTS], {"image_tensor:0": image}))


def test_pruned_meta_graph_restores_and_gives_the_same_outputs(demo: DataPaths) -> None:
    image = np.random.RandomState(0).randint(0, 256, size=(1, 300, 300, 3)).astype(np.uint8)
    whole = _meta(demo)

    pruned = prune.prune_meta_graph(whole, _OUTPUTS)

    assert len(pruned.graph_def.node) < 0.4 * len(whole.graph_def.node)
    for a, b in zip(_outputs(whole, demo.checkpoint, image), _outputs(pruned, demo.checkpoint, image)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_every_variable_of_a_pruned_meta_graph_is_restored_and_can_be_saved_again(demo: DataPaths,
                                                                                 tmp_path: Path) -> None:
    pruned = prune.prune_meta_graph(_meta(demo), _OUTPUTS)

    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(pruned)
        variables = tf.global_variables()
        with tf.Session() as session:
            saver.restore(session, str(demo.checkpoint))
            missing = session.run(tf.report_uninitialized_variables(variables))
            tf.train.Saver().save(session, str(tmp_path / "again"))

    assert len(variables) == sum(node.op in _VARIABLES for node in pruned.graph_def.node)
    assert not len(missing)


def test_variable_of_a_pruned_meta_graph_can_be_set_through_its_initializer(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        used = tf.get_variable("used", initializer=[1.0], use_resource=True)
        spare = tf.Variable([2.0], name="spare")
        with tf.colocate_with(spare):
            tf.multiply(used, 2.0, name="out")
        tf.Variable(0, name="unsaved")
        saver = tf.train.Saver([used])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            saver.save(session, str(tmp_path / "model"), write_meta_graph=False)
        meta = tf.train.export_meta_graph(graph=graph, saver_def=saver.as_saver_def())

    with tf.Graph().as_default() as graph:
        restored = tf.train.import_meta_graph(prune.prune_meta_graph(meta, ["out"]))
        (variable,) = tf.global_variables()
        with tf.Session() as session:
            restored.restore(session, str(tmp_path / "model"))
            before = session.run("out:0")
            variable.load([5.0], session)
            after = session.run("out:0")

    assert (list(before), list(after)) == ([2.0], [10.0])


def test_pruning_to_an_unknown_op_is_an_error_that_suggests_near_names(demo: DataPaths) -> None:
    with pytest.raises(GraphError, match="did you mean concat"):
        prune.prune_meta_graph(_meta(demo), ["concat_"])
