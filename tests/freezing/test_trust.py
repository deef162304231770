"""Untrusted checkpoints: graphs that reach outside."""

from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import GraphError
from quant_accuracy.commands import report
from quant_accuracy.data import shards
from quant_accuracy.freezing import load
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.conftest import Run

Change = Callable[[tf.MetaGraphDef], None]


def _edit(data: DataPaths, change: Change) -> Path:
    """The demo's checkpoint with a change to its graph."""
    path = Path(f"{data.checkpoint}.meta")
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    change(meta)
    path.write_bytes(meta.SerializeToString())
    return data.checkpoint


def _add(op: str, **strings: str) -> Change:
    """Adds an op that nothing needs."""
    def change(meta: tf.MetaGraphDef) -> None:
        node = meta.graph_def.node.add(name="planted", op=op)
        for name, value in strings.items():
            node.attr[name].s = value.encode()
    return change


def _before_output(op: str) -> Change:
    """Makes the network's first output wait for a new op."""
    def change(meta: tf.MetaGraphDef) -> None:
        meta.graph_def.node.add(name="planted", op=op)
        next(node for node in meta.graph_def.node if node.name == "concat").input.append("^planted")
    return change


def _beside_output(op: str) -> Change:
    """Puts a new op beside the network's first output: TensorFlow takes it along when it cuts the graph."""
    def change(meta: tf.MetaGraphDef) -> None:
        meta.graph_def.node.add(name="planted", op=op)
        output = next(node for node in meta.graph_def.node if node.name == "concat")
        output.attr["_class"].list.s.append(b"loc:@planted")
    return change


def _at(name: Callable[[tf.MetaGraphDef], str], op: str) -> Change:
    """Makes an op of the saver, or of a variable, wait for a new op."""
    def change(meta: tf.MetaGraphDef) -> None:
        meta.graph_def.node.add(name="planted", op=op)
        next(node for node in meta.graph_def.node if node.name == name(meta)).input.append("^planted")
    return change


def _in_function(op: str) -> Change:
    def change(meta: tf.MetaGraphDef) -> None:
        function = meta.graph_def.library.function.add()
        function.signature.name = "helper"
        function.node_def.add(name="planted", op=op)
    return change


def _first_assign(meta: tf.MetaGraphDef) -> str:
    from tensorflow.core.framework import variable_pb2

    (first, *_) = meta.collection_def["variables"].bytes_list.value
    return str(variable_pb2.VariableDef.FromString(first).initializer_name)


_REACHING = {
    **{op: _add(op) for op in ("PyFunc", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles", "ImmutableConst",
                               "TFRecordDataset", "OneShotIterator", "IteratorV2", "TFRecordReaderV2",
                               "FIFOQueueV2", "QueueDequeueManyV2", "Rpc", "TryRpc", "_Send", "RemoteCall",
                               "CreateSummaryFileWriter", "LoadAndRemapMatrix", "LMDBReader", "Abort")},
    "PrintV2": _add("PrintV2", output_stream="file:///tmp/planted"),
    "WriteFile in function": _in_function("WriteFile"),
    "CustomOp": _before_output("CustomOp"),
    "CustomOp beside": _beside_output("CustomOp"),
    "SaveV2": _before_output("SaveV2"),
    "RestoreV2": _before_output("RestoreV2"),
    "StatefulPartitionedCall": _before_output("StatefulPartitionedCall"),
    "MergeV2Checkpoints": _at(lambda meta: str(meta.saver_def.restore_op_name), "MergeV2Checkpoints"),
    "RestoreSlice": _at(lambda meta: str(meta.saver_def.restore_op_name), "RestoreSlice"),
    "CustomInit": _at(_first_assign, "CustomInit"),
}


@pytest.mark.parametrize("name", _REACHING)
def test_a_graph_that_reaches_outside_is_refused_with_the_op_and_its_type(name: str, demo_copy: DataPaths,
                                                                         demo_card: ModelCard) -> None:
    prefix = _edit(demo_copy, _REACHING[name])
    outputs = [*demo_card.graph.output_ops, *demo_card.graph.detections]

    with pytest.raises(GraphError, match=f"'planted'.* is a {name.split()[0]}.*--trust-checkpoint"):
        load.load_frozen(prefix, outputs)


def test_a_checkpoint_that_restores_from_another_file_is_refused(demo_copy: DataPaths) -> None:
    def change(meta: tf.MetaGraphDef) -> None:
        meta.graph_def.node.add(name="other", op="Const")
        next(node for node in meta.graph_def.node if node.op == "RestoreV2").input[0] = "other"

    with pytest.raises(GraphError, match="'save/RestoreV2' is a RestoreV2 of another file"):
        load.load_frozen(_edit(demo_copy, change), ["concat"])


@pytest.fixture
def reading_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint whose output is the content of a file."""
    (tmp_path / "secret").write_text("42")
    with tf.Graph().as_default(), tf.Session() as session:
        weight = tf.Variable(np.float32(1.0), name="weight")
        tf.add(tf.strings.to_number(tf.io.read_file(str(tmp_path / "secret"))), weight, name="out")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    return tmp_path / "model.ckpt"


def test_a_trusted_checkpoint_may_read_files(reading_checkpoint: Path, run_graph: Run) -> None:
    with pytest.raises(GraphError, match="is a ReadFile, which reads or writes files"):
        load.load_frozen(reading_checkpoint, ["out"])

    assert run_graph(load.load_frozen(reading_checkpoint, ["out"], trusted=True), ["out:0"], {}) == [43.0]


def test_who_does_not_trust_a_checkpoint_gets_nothing_that_was_made_with_trust(
        demo_copy: DataPaths, demo_card: ModelCard, tmp_path: Path) -> None:
    found = shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)
    prefix = _edit(demo_copy, lambda meta: meta.graph_def.node.extend([tf.NodeDef(name="planted", op="ReadFile")]))
    cache = Cache(tmp_path / "cache")
    # Enough to see that it got past the check.
    few = demo_card.__class__(**{**demo_card.__dict__, "calibration_images": 1})

    assert build.build(few, prefix, found, cache, trusted=True).quantizers
    with pytest.raises(GraphError, match="ReadFile"):
        build.build(few, prefix, found, cache)


def test_the_option_lets_a_checkpoint_through(demo_copy: DataPaths, tmp_path: Path,
                                              capsys: pytest.CaptureFixture) -> None:
    # It stops at the next thing that is wrong: the check is over by then.
    prefix = _edit(demo_copy, _before_output("CustomOp"))
    arguments = ["--model", options.DEMO_CARD, "--model-checkpoint", str(prefix), "--dataset-dir",
                 str(demo_copy.dataset_dir), "--TFRecord-file-pattern", demo_copy.pattern, "--annotation-json-file",
                 str(demo_copy.annotations), "--cache-dir", str(tmp_path / "cache"), "--calibration-images", "1"]

    assert report.main(arguments) == 2
    assert "give --trust-checkpoint" in capsys.readouterr().err
    assert report.main([*arguments, "--trust-checkpoint"]) == 2
    assert "TensorFlow cannot build the graph" in capsys.readouterr().err
