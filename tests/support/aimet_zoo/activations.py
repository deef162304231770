"""Activations, gates, attention."""

from typing import Callable

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import (
    Built,
    Tensor,
    conv,
    head,
    image,
    keras,
    keras_image,
    network,
    norm,
    variable,
)
from tests.support.slim import slim


def _twice(activation: Callable[[Tensor], Tensor]) -> Built:
    """An activation behind a batch norm that is folded, and behind a bias."""
    return head(activation(conv(activation(norm(conv(keras_image(8)))), 4)))


@network("Relu6")
def act_relu6() -> Built:
    return _twice(tf.nn.relu6)


@network("Keras' ReLU with a slope and a largest value")
def act_keras_relu_leaky() -> Built:
    return _twice(keras.ReLU(negative_slope=0.1, max_value=4.0))


@network("Keras' PReLU")
def act_prelu_full() -> Built:
    return _twice(lambda x: keras.PReLU()(x))


@network("Keras' PReLU with shared axes")
def act_prelu_shared() -> Built:
    return _twice(lambda x: keras.PReLU(shared_axes=[1, 2])(x))


@network("PReLU from two Relus, behind a convolution of slim")
def act_prelu_slim_style() -> Built:
    x = slim.conv2d(image(8), 4, 3, activation_fn=None)
    with tf.variable_scope(None, "prelu"):
        x = tf.nn.relu(x) - variable("alpha", 4) * tf.nn.relu(-x)
    return head(x)


@network("PReLU from a Relu and an Abs")
def act_prelu_by_hand() -> Built:
    x = norm(conv(image(8)))
    x = tf.nn.relu(x) + variable("alpha", 4) * (x - tf.abs(x)) * 0.5
    return head(conv(x, 4))


@network("LeakyRelu")
def act_leaky_tf() -> Built:
    return _twice(tf.nn.leaky_relu)


@network("leaky Relu as a maximum")
def act_leaky_by_hand() -> Built:
    return _twice(lambda x: tf.maximum(0.1 * x, x))


@network("CReLU")
def act_crelu() -> Built:
    return _twice(tf.nn.crelu)


@network("tf.nn.swish, an IdentityN")
def act_swish_tf() -> Built:
    return _twice(tf.nn.swish)


@network("x * sigmoid(x)")
def act_swish_by_hand() -> Built:
    return _twice(lambda x: x * tf.sigmoid(x))


@network("hard swish, divided by 6")
def act_hard_swish() -> Built:
    return _twice(lambda x: x * tf.nn.relu6(x + 3.0) / 6.0)


@network("hard swish, multiplied by a sixth")
def act_hard_swish_tf() -> Built:
    return _twice(lambda x: x * (tf.nn.relu6(x + 3.0) * 0.16667))


@network("Keras' hard sigmoid")
def act_hard_sigmoid_keras() -> Built:
    return _twice(tf.keras.activations.hard_sigmoid)


@network("tf.clip_by_value")
def act_clip() -> Built:
    return _twice(lambda x: tf.clip_by_value(x, -1.0, 1.0))


@network("softmaxes of tf.nn, Keras and slim, a log-softmax")
def softmaxes() -> Built:
    x = conv(keras_image(8), 4)
    return [head(tf.nn.softmax(x) + keras.Softmax()(x) + slim.softmax(x)), tf.nn.log_softmax(tf.reshape(x, [-1, 4]))]


@network("a softmax in plain ops")
def softmax_by_hand() -> Built:
    x = keras.Dense(4, name="d")(keras.Flatten()(conv(keras_image(8))))
    e = tf.exp(x - tf.reduce_max(x, -1, keepdims=True))
    return e / tf.reduce_sum(e, -1, keepdims=True)


@network("squeeze and excitation by convolutions")
def squeeze_excite_keras() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(), 8, use_bias=False)))
    s = keras.Reshape((1, 1, 8))(keras.GlobalAveragePooling2D()(x))
    s = conv(conv(s, 4, 1, activation="relu"), 8, 1, activation="sigmoid")
    return head(keras.Multiply()([x, s]))


@network("squeeze and excitation with hard swish, slim")
def squeeze_excite_slim_hswish() -> Built:
    options = {"activation_fn": None, "normalizer_fn": slim.batch_norm, "normalizer_params": {"is_training": False}}
    x = _hard_swish(slim.conv2d(image(), 8, 3, **options))
    s = slim.conv2d(tf.reduce_mean(x, [1, 2], keepdims=True), 4, 1)
    s = slim.conv2d(s, 8, 1, activation_fn=lambda v: tf.nn.relu6(v + 3.0) * (1.0 / 6.0))
    return head(_hard_swish(slim.conv2d(x * s, 8, 1, **options)))


def _hard_swish(x: Tensor) -> Tensor:
    return x * tf.nn.relu6(x + 3.0) / 6.0


@network("attention: products of activations")
def attention_spatial() -> Built:
    x = tf.nn.relu(conv(keras_image(8), 4))
    q, k, v = (tf.reshape(conv(x, channels, 1, name=name), [-1, 36, channels])
               for name, channels in (("q", 2), ("k", 2), ("v", 4)))
    a = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
    return head(tf.reshape(tf.matmul(a, v), [-1, 6, 6, 4]) + x)


@network("a MatMul of one activation with itself")
def matmul_of_activations() -> Built:
    x = keras.Dense(4, name="d")(keras.Flatten()(conv(keras_image(8))))
    return tf.matmul(x, x, transpose_b=True, name="gram")
