"""Layers of several ops are found as AIMET finds them, whatever else is around."""

from typing import Callable, List, Tuple

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.freezing import inference
from quant_accuracy.graph import layer_patterns
from quant_accuracy.graph.walk import DataFlow
from tests.support.slim import layers as contrib
from tests.support.slim import slim

_KERAS = tf.keras.layers


def _found(build: Callable[[tf.Tensor], tf.Tensor], size: Tuple[int, ...] = (8, 8, 3)) -> List[Tuple[str, str]]:
    """The type of each layer in the network, and the last op of it."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, *size], name="start")
        tf.identity(build(x), name="end")
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            frozen = tf.graph_util.convert_variables_to_constants(
                session, inference.to_inference(graph.as_graph_def(), ["end"]), ["end"])
    flow = DataFlow(frozen)
    layers = layer_patterns.find(flow, flow.between(["start"], ["end"]))
    last = {layer.name: (layer.type, name) for name, layer in layers.items()}
    return sorted(last.values())


def _by_hand(x: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(x)
    return tf.reshape(x, [shape[0], 8, 8, 3])


@pytest.mark.parametrize(("build", "size", "wanted"), [
    (lambda x: _KERAS.Conv2D(4, 3)(x), (8, 8, 3), ["Conv2D"]),
    (lambda x: _KERAS.Conv2D(4, 3, use_bias=False)(x), (8, 8, 3), ["Conv2D"]),
    (lambda x: _KERAS.DepthwiseConv2D(3)(x), (8, 8, 3), ["DepthwiseConv2dNative"]),
    # Without a bias it is the op that it is.
    (lambda x: _KERAS.DepthwiseConv2D(3, use_bias=False)(x), (8, 8, 3), []),
    (lambda x: _KERAS.Dense(4)(x), (8,), ["Dense"]),
    (lambda x: _KERAS.Dense(4, use_bias=False)(x), (8,), []),
    (lambda x: _KERAS.Conv2DTranspose(4, 3)(x), (8, 8, 3), ["Conv2DTranspose"]),
    (lambda x: _KERAS.Conv2DTranspose(4, 3, use_bias=False)(x), (8, 8, 3), ["Conv2DTranspose"]),
    (lambda x: _KERAS.BatchNormalization()(x), (8, 8, 3), ["FusedBatchNormV3"]),
    (lambda x: _KERAS.BatchNormalization()(x, training=False), (8, 8, 3), ["FusedBatchNormV3"]),
    (lambda x: _KERAS.BatchNormalization(fused=False)(x, training=False), (8, 8, 3), ["BatchNorm"]),
    (lambda x: slim.batch_norm(x, is_training=tf.placeholder_with_default(False, [])), (8, 8, 3), ["FusedBatchNormV3"]),
    (lambda x: _KERAS.Dropout(0.4)(x), (8,), ["Dropout"]),
    (lambda x: x * 2.0 * 3.0, (8,), ["Dropout"]),
    (lambda x: 3.0 * (x * 2.0), (8,), []),
    (lambda x: _KERAS.PReLU(shared_axes=[1, 2])(x), (8, 8, 3), ["PReLU"]),
    (lambda x: contrib.instance_norm(x), (8, 8, 3), ["InstanceNormalization"]),
    (lambda x: slim.softmax(x), (8, 4), ["Softmax"]),
    (lambda x: tf.nn.softmax(x), (8,), []),
    (lambda x: _KERAS.Flatten()(x), (8, 8, 3), ["Flatten"]),
    (lambda x: tf.reshape(x, [-1, 4, 48]), (8, 8, 3), ["Flatten"]),
    (_by_hand, (192,), ["Reshape"]),
    (lambda x: _KERAS.UpSampling2D()(x), (8, 8, 3), ["Upsample2D"]),
    (lambda x: _KERAS.GlobalMaxPool2D()(x), (8, 8, 3), ["GlobalMaxPool2D"]),
])
def test_what_a_layer_writes_is_one_layer(build: Callable[[tf.Tensor], tf.Tensor], size: Tuple[int, ...],
                                          wanted: List[str]) -> None:
    assert [kind for kind, _ in _found(build, size)] == wanted


def test_the_longer_pattern_wins() -> None:
    # A convolution alone is a layer, too, and so is each of two products.
    assert len({kind for kind, _ in _found(lambda x: _KERAS.Conv2D(4, 3)(x))}) == 1
    assert [kind for kind, _ in _found(lambda x: contrib.instance_norm(x) * 2.0 * 3.0)] \
        == ["Dropout", "InstanceNormalization"]


def test_a_pattern_counts_the_ops_that_it_names() -> None:
    lengths = {template.type: template.length for template in layer_patterns.TEMPLATES}

    # As AIMET counts them: which pattern wins depends on it.
    assert (lengths["InstanceNormalization"], lengths["PReLU"], lengths["GlobalMaxPool2D"]) == (11, 5, 1)
