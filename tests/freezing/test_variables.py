"""What the Saver of a checkpoint restores into each variable."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import CheckpointError
from quant_accuracy.freezing import load
from tests.conftest import Run


@pytest.fixture
def partitioned(tmp_path: Path) -> Path:
    """A checkpoint of a convolution whose kernel is written in three parts, of 2, 2 and 1 output channels."""
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("layer", partitioner=tf.fixed_size_partitioner(3, axis=3)):
            kernel = tf.convert_to_tensor(tf.get_variable("kernel", [3, 3, 2, 5]))
        tf.nn.conv2d(tf.placeholder(tf.float32, [1, 4, 4, 2], "image"), kernel, 1, "SAME", name="out")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    return tmp_path / "model.ckpt"


def test_parts_of_a_partitioned_variable_are_cut_from_its_tensor(partitioned: Path, run_graph: Run) -> None:
    feed = {"image:0": np.random.RandomState(0).rand(1, 4, 4, 2).astype(np.float32)}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(f"{partitioned}.meta").restore(session, str(partitioned))
        wanted = session.run("out:0", feed)

    frozen = load.load_frozen(partitioned, ["out"])

    np.testing.assert_array_equal(run_graph(frozen, ["out:0"], feed)[0], wanted)


@pytest.mark.parametrize("part", [b"3 3 2 5 0,3:0,3:0,2:4,2", b"3 3 2 5 0,3:0,3:0,2", b"3 3 2 5 0,3:0,3:0,2:x,2"],
                         ids=["beyond its end", "an axis too few", "no number"])
def test_a_part_that_is_not_there_is_an_error(partitioned: Path, part: bytes) -> None:
    path = Path(f"{partitioned}.meta")
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    parts = next(node for node in meta.graph_def.node if node.name == "save/RestoreV2/shape_and_slices")
    parts.attr["value"].tensor.string_val[1] = part
    path.write_bytes(meta.SerializeToString())

    with pytest.raises(CheckpointError, match="copy the checkpoint again"):
        load.load_frozen(partitioned, ["out"])
