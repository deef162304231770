"""Networks of ops that detectors seldom have: from the checkpoint to the export each gives a result, and no error."""

from pathlib import Path
from typing import Callable, Dict, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import computed, sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, export, placement, simulate
from quant_accuracy.quantization.records import Settings
from tests.support import lanes
from tests.support.training import IMAGES, outputs_of

_FEED = {"images:0": IMAGES}


def _conv(x: tf.Tensor, channels: int = 4) -> tf.Tensor:
    return tf.layers.conv2d(x, channels, 3, padding="same")


def _several(x: tf.Tensor) -> Sequence[tf.Tensor]:
    x = tf.nn.relu(_conv(x), name="inner")
    return [x, tf.identity(_conv(x), name="a"), tf.nn.sigmoid(_conv(x)), tf.argmax(_conv(x), -1)]


def _suppressed(x: tf.Tensor) -> Sequence[tf.Tensor]:
    boxes = tf.reshape(_conv(x), [-1, 4])[:20]
    return [tf.gather(boxes, tf.image.non_max_suppression(boxes, tf.reduce_sum(boxes, -1), 5))]


def _asserting(x: tf.Tensor) -> Sequence[tf.Tensor]:
    with tf.control_dependencies([tf.assert_greater(tf.shape(x)[0], 0)]):
        return [_conv(tf.identity(x))]


def _in_a_loop(x: tf.Tensor) -> Sequence[tf.Tensor]:
    weights = tf.get_variable("weights", [3, 3, 3, 3], use_resource=True)
    return [_conv(tf.while_loop(lambda count, _: count < 2, lambda count, y: [
        count + 1, tf.nn.conv2d(y, weights, 1, "SAME")], [0, x])[1])]


def _in_a_branch(x: tf.Tensor) -> Sequence[tf.Tensor]:
    """The images decide which one is taken."""
    weights = tf.get_variable("weights", [3, 3, 3, 3], use_resource=True)
    return [_conv(tf.cond(tf.reduce_mean(x) > 0, lambda: tf.nn.conv2d(x, weights, 1, "SAME"),
                          lambda: tf.nn.relu(tf.nn.conv2d(x, weights, 1, "SAME"))))]


def _dropping(x: tf.Tensor) -> Sequence[tf.Tensor]:
    """As it is trained: the rate is fed."""
    return [_conv(tf.nn.dropout(_conv(x), keep_prob=tf.placeholder(tf.float32, name="keep_prob")))]


def _looked_up(x: tf.Tensor) -> Sequence[tf.Tensor]:
    table = tf.get_variable("table", [10, 4], use_resource=True)
    return [tf.nn.embedding_lookup(table, tf.cast(tf.clip_by_value(_conv(x, 1), 0, 9), tf.int32)) + 1.0]


def _not_read(x: tf.Tensor) -> Sequence[tf.Tensor]:
    return [tf.nn.conv2d(x, tf.get_variable("weights", [3, 3, 3, 4], use_resource=False)._ref(), 1, "SAME")]


def _grouped(x: tf.Tensor) -> Sequence[tf.Tensor]:
    return [tf.nn.relu(part) for part in tf.split(_conv(x, 8), 2, -1)]


_NETWORKS: Dict[str, Callable[[tf.Tensor], Sequence[tf.Tensor]]] = {
    "tf.where by a mask": lambda x: [tf.where(_conv(x) > 0, _conv(x), x[..., :1] * [0.1, 0.2, 0.3, 0.4])],
    "tf.where of indices": lambda x: [_conv(x), tf.shape(tf.where(tf.reshape(_conv(x), [-1]) > 0.5))],
    "unstacked": lambda x: [tf.stack(tf.unstack(_conv(x), axis=-1)[::-1], -1)],
    "split": _grouped,
    "outputs of all kinds": _several,
    "integers alone": lambda x: [tf.argmax(_conv(x), -1)],
    "booleans alone": lambda x: [_conv(x) > 0],
    "rounded": lambda x: [tf.cast(tf.cast(_conv(x) * 10, tf.int32), tf.float32) + _conv(x)],
    "largest": lambda x: list(tf.nn.top_k(tf.reshape(_conv(x), [-1, 256]), 5)),
    "suppressed": _suppressed,
    "positions": lambda x: [_conv(x) + tf.cast(tf.range(tf.shape(x)[1]), tf.float32)[None, :, None, None]],
    "looked up": _looked_up,
    "in a loop": _in_a_loop,
    "in a branch": _in_a_branch,
    "dropping": _dropping,
    "not read": _not_read,
    "asserting": _asserting,
    "complex": lambda x: [tf.abs(tf.fft(tf.cast(_conv(x), tf.complex64)))],
    "of half precision": lambda x: [tf.cast(_conv(tf.cast(x, tf.float16)), tf.float32)],
    "of double precision": lambda x: [_conv(tf.cast(x, tf.float64))],
    "one number": lambda x: [tf.reduce_mean(_conv(x))],
    "dense on four axes": lambda x: [tf.keras.layers.Dense(5)(x)],
    "one dimension": lambda x: [tf.keras.layers.Conv1D(4, 3)(tf.reshape(x, [-1, 64, 3]))],
    "three dimensions": lambda x: [tf.keras.layers.Conv3D(4, (1, 3, 3))(x[:, None])],
}


def _saved(folder: Path, build: Callable[[tf.Tensor], Sequence[tf.Tensor]]) -> Path:
    """A checkpoint of a network whose output ops are `out`, `out_1` and so on."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        start = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="images"), name="start")
        for output in build(start):
            tf.identity(output, name="out")
        session.run(tf.global_variables_initializer())
        return Path(tf.train.Saver().save(session, str(folder / "model.ckpt")))


@pytest.mark.parametrize("name", sorted(_NETWORKS))
def test_an_odd_network_is_loaded_placed_calibrated_simulated_and_exported(name: str, tmp_path: Path) -> None:
    prefix = _saved(tmp_path, _NETWORKS[name])
    graph = load.load_graph(prefix)
    outputs = [node.name for node in graph.node if node.name in ("out", "out_1", "out_2", "out_3")]
    tensors = [f"{output}:0" for output in outputs]

    frozen = load.load_frozen(prefix, outputs)
    stored = computed.store_weights(Network(frozen, ["start"], outputs))
    folded = fold.fold_batch_norms(Network(stored, ["start"], outputs)).graph
    placed = placement.place_quantizers(Network(folded, ["start"], outputs), Settings(output_bitwidth=16))
    quantization = calibrate.calibrate(folded, placed, Settings(), "images", [IMAGES])
    simulated = simulate.simulate(folded, quantization)
    export.write_checkpoint(folded, tmp_path / "quantsim")
    exported = load.load_frozen(tmp_path / "quantsim" / "model", outputs)

    assert any(quantizer.enabled for quantizer in placed)
    wanted = outputs_of(frozen, tensors, _FEED)
    for one, other in zip(wanted, outputs_of(exported, tensors, _FEED)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    with sessions.open_session(simulated) as session:
        for one, other in zip(wanted, session.run(tensors, _FEED)):
            assert one.shape == other.shape
            assert one.dtype == other.dtype


@pytest.mark.skipif(not lanes.TENSORFLOW_1, reason="TensorFlow 2 takes this layout on CPUs, by oneDNN")
def test_weights_of_another_layout_than_cpus_take_are_one_clear_line(tmp_path: Path) -> None:
    layer = tf.keras.layers.Conv2D
    prefix = _saved(tmp_path, lambda x: [layer(4, 3, data_format="channels_first")(tf.transpose(x, [0, 3, 1, 2]))])
    frozen = load.load_frozen(prefix, ["out"])
    placed = placement.place_quantizers(Network(frozen, ["start"], ["out"]), Settings())

    with pytest.raises(GraphError, match="the float graph.*'conv2d/Conv2D', a Conv2D .*data_format NHWC"):
        calibrate.calibrate(frozen, placed, Settings(), "images", [IMAGES])
