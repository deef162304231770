"""Fake-quant ops in plain ops give what the ops themselves give."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.runtimes import wide_quantizers
from tests.conftest import Run


@pytest.mark.parametrize("bits", [9, 12, 16])
@pytest.mark.parametrize(("low", "high", "narrow"), [(-1.0, 1.0, True), (-0.37, 2.11, False), (0.0, 6.0, False)])
def test_plain_ops_give_the_same_place_on_the_grid(bits: int, low: float, high: float, narrow: bool,
                                                        run_graph: Run) -> None:
    with tf.Graph().as_default() as built:
        values = tf.placeholder(tf.float32, [1000], name="values")
        tf.quantization.fake_quant_with_min_max_args(values, low, high, bits, narrow, name="wide")
        tf.quantization.fake_quant_with_min_max_args(values, low, high, 8, narrow, name="narrow")
    graph = built.as_graph_def()
    plain = wide_quantizers.spell_out(graph)
    feed = {"values:0": np.random.RandomState(0).uniform(low - 0.3, high + 0.3, 1000).astype(np.float32)}

    assert [node.name for node in plain.node if node.op == "FakeQuantWithMinMaxArgs"] == ["narrow"]
    for found, wanted in zip(*(run_graph(each, ["wide:0", "narrow:0"], feed) for each in (plain, graph))):
        # A hundredth of a step of 16 bits; kernels of newer TensorFlow round once less.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-7 * high)
