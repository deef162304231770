"""Graphs that are quantized already."""

from pathlib import Path
from typing import Callable

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing import load


@pytest.mark.parametrize(("quantized", "what"), [
    (lambda x: tf.quantization.fake_quant_with_min_max_args(x), "1 op such as the FakeQuantWithMinMaxArgs"),
    (lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(x, [0.0] * 3, [1.0] * 3), "PerChannel"),
    (lambda x: tf.quantization.quantize_and_dequantize(x, 0.0, 1.0), "QuantizeAndDequantize"),
    (lambda x: tf.quantization.dequantize(tf.quantization.quantize(x, 0.0, 1.0, tf.quint8).output, 0.0, 1.0),
     "integer kernels: 2 ops"),
])
def test_graphs_that_are_quantized_already_are_refused(quantized: Callable[[tf.Tensor], tf.Tensor], what: str,
                                                       tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.get_variable("weights", [2, 3])
        tf.identity(quantized(x), name="end")
        tf.identity(x, name="float_end")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    with pytest.raises(GraphError, match=what):
        load.load_frozen(tmp_path / "model.ckpt", ["end"])
    assert load.load_frozen(tmp_path / "model.ckpt", ["float_end"])
