"""Rows of a layer's input times its weights against TensorFlow's own kernels."""

from typing import Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import DataError
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.records import PARAM, Quantizer, Symmetry
from quant_accuracy.repair.adaround import layers, observing, optimizing
from quant_accuracy.repair.adaround.layers import CONVOLUTION, DENSE, DEPTHWISE, Layer
from quant_accuracy.repair.adaround.observing import Pair

_QUANTIZER = Quantizer("w_quantized", "w:0", PARAM, 4, Symmetry(), True, "", "weight")


def _layer(kind: str, padding: str = "SAME", strides: Tuple[int, int] = (1, 1),
           dilations: Tuple[int, int] = (1, 1)) -> Layer:
    return Layer("layer", kind, "x:0", "layer:0", None, "", strides, dilations, padding, _QUANTIZER)


def _computed(layer: Layer, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    with tf.Graph().as_default() as graph:
        rates, strides = list(layer.dilations), [1, *layer.strides, 1]
        if layer.kind == CONVOLUTION:
            found = tf.nn.convolution(values, weights, layer.padding, list(layer.strides), rates)
        elif layer.kind == DEPTHWISE:
            found = tf.nn.depthwise_conv2d(values, weights, strides, layer.padding, rates)
        else:
            found = tf.matmul(values, weights)
        with sessions.session_of(graph) as session:
            return np.asarray(session.run(found))


@pytest.mark.parametrize(("layer", "kernel"), [
    (_layer(CONVOLUTION), (3, 3, 4, 5)),
    (_layer(CONVOLUTION, "SAME", (2, 2)), (3, 3, 4, 5)),
    (_layer(CONVOLUTION, "VALID", (2, 1)), (3, 2, 4, 5)),
    (_layer(CONVOLUTION, "SAME", dilations=(2, 2)), (3, 3, 4, 5)),
    (_layer(CONVOLUTION), (1, 1, 4, 5)),
    (_layer(DEPTHWISE, "SAME", (2, 2)), (3, 3, 4, 1)),
    (_layer(DEPTHWISE, "VALID"), (3, 3, 4, 2)),
    (_layer(DENSE), (4, 5)),
], ids=lambda value: f"{value.kind}-{value.padding}-{value.strides}-{value.dilations}"
    if isinstance(value, Layer) else str(value))
@pytest.mark.parametrize("positions", [7, 1000])
def test_rows_times_weights_are_what_the_layer_gives(layer: Layer, kernel: Tuple[int, ...], positions: int) -> None:
    random = np.random.RandomState(1)
    values = random.randn(*((2, 4) if layer.kind == DENSE else (2, 8, 9, 4))).astype(np.float32)
    weights = random.randn(*kernel).astype(np.float32)
    given = _computed(layer, values, weights)
    channels = given.shape[-1]

    rows = observing.observe(layer, iter([Pair(values, given)] * 2), np.zeros(channels, np.float32), channels,
                             (kernel[0], kernel[1]), positions, seed=0)

    assert len(rows.inputs) == 4 * min(positions, given[0, ..., 0].size)
    np.testing.assert_allclose(optimizing.outputs(rows.inputs, layers.to_columns(weights, layer.kind)), rows.targets,
                               rtol=1e-4, atol=1e-5)


def test_what_is_no_number_is_refused_with_the_layers_name() -> None:
    pair = Pair(np.full((1, 4), np.nan, np.float32), np.ones((1, 5), np.float32))

    with pytest.raises(DataError, match="what layer takes or gives is NaN .* export the checkpoint again"):
        observing.observe(_layer(DENSE), iter([pair]), np.zeros(5, np.float32), 5, (4, 5), 9, seed=0)
