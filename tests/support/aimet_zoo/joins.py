"""Additions and other ops of two tensors, biases in all spellings, dense layers."""

from typing import Tuple

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import (
    Built,
    Tensor,
    add,
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


@network("a residual by `+` (AddV2)")
def residual_plus() -> Built:
    x = tf.nn.relu(conv(keras_image()))
    return head(tf.nn.relu(x + conv(x, padding="same")))


@network("a residual by tf.add (Add)")
def residual_tf_add() -> Built:
    x = tf.nn.relu(conv(keras_image()))
    return head(tf.nn.relu(add(x, conv(x, padding="same"))))


@network("a residual by tf.add, batch norms in both branches")
def residual_tf_add_after_bn() -> Built:
    x = tf.nn.relu(norm(conv(keras_image())))
    return head(tf.nn.relu(add(x, norm(conv(x, padding="same", use_bias=False)))))


@network("a residual by Keras' Add, batch norms")
def residual_keras_add_bn() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(), use_bias=False)))
    return head(tf.nn.relu(keras.Add()([x, norm(conv(x, padding="same", use_bias=False))])))


@network("tf.add_n of three")
def add_of_three() -> Built:
    x = conv(keras_image())
    return head(tf.add_n([tf.nn.relu(x), tf.nn.sigmoid(x), tf.tanh(x)]))


@network("arithmetic with constants, on either side")
def add_constants() -> Built:
    x = 2.0 * (conv(keras_image()) + 1.0)
    return head(tf.nn.relu(1.0 - (x / 3.0 - 0.5)))


@network("a variable added, one multiplied")
def add_variable() -> Built:
    x = conv(image(), use_bias=False)
    return head(tf.nn.relu((x + variable("offset", 4)) * variable("factor", 4)))


@network("tf.add of a variable to a convolution")
def tf_add_variable() -> Built:
    x = conv(image(), use_bias=False)
    return head(tf.nn.relu(add(x, variable("offset", 4))))


@network("tf.add of a ref variable to a convolution of slim")
def tf_add_variable_ref() -> Built:
    x = slim.conv2d(image(), 4, 3, activation_fn=None, biases_initializer=None)
    return head(tf.nn.relu(add(x, variable("offset", 4, resource=False))))


@network("product, difference, quotient and maximum of activations")
def mul_sub_div_of_tensors() -> Built:
    i = keras_image(8)
    a, b = conv(i, name="a"), conv(i, name="b")
    x = (a * b - a) / (tf.abs(b) + 1.0)
    return head(tf.maximum(x, b))


@network("an addition that a Relu and a concat read")
def add_two_consumers_relu() -> Built:
    i = keras_image()
    x = conv(i, name="a") + conv(i, name="b")
    return head(tf.concat([tf.nn.relu(x), x], -1))


@network("a convolution that a Relu and a Sigmoid read")
def conv_relu_and_other() -> Built:
    x = conv(keras_image())
    return head(tf.concat([tf.nn.relu(x), tf.nn.sigmoid(x)], -1))


@network("plain ops on ref variables")
def raw_ops_ref() -> Built:
    return _raw(resource=False)


@network("plain ops on resource variables")
def raw_ops_resource() -> Built:
    return _raw(resource=True)


def _raw(resource: bool) -> Built:
    x = image(8)
    with tf.variable_scope("one", use_resource=resource):
        x = tf.nn.conv2d(x, variable("w", 3, 3, 3, 4), 1, "SAME", name="Conv2D")
        x = tf.nn.relu(tf.nn.bias_add(x, variable("b", 4), name="BiasAdd"))
    with tf.variable_scope("two", use_resource=resource):
        x = tf.nn.depthwise_conv2d(x, variable("w", 3, 3, 4, 1), [1, 1, 1, 1], "SAME", name="depthwise")
        x = tf.nn.relu6(tf.nn.bias_add(x, variable("b", 4)))
    x = tf.reshape(x, [-1, 8 * 8 * 4])
    with tf.variable_scope("three", use_resource=resource):
        x = tf.nn.bias_add(tf.matmul(x, variable("w", 256, 5)), variable("b", 5))
    return tf.nn.softmax(x)


@network("plain ops without scopes and biases")
def raw_ops_plain_names() -> Built:
    x = tf.nn.conv2d(image(8), variable("w1", 3, 3, 3, 4), 1, "SAME", name="c1")
    x = tf.nn.conv2d(tf.nn.relu(x, name="r1"), variable("w2", 3, 3, 4, 4), 1, "SAME", name="c2")
    x = tf.reshape(tf.nn.relu(x, name="r2"), [-1, 256], name="flat")
    return tf.matmul(x, variable("w3", 256, 3), name="mm")


@network("a BiasAdd behind a convolution without a scope")
def raw_ops_plain_names_bias() -> Built:
    x = tf.nn.conv2d(image(8), variable("w1", 3, 3, 3, 4), 1, "SAME", name="c1")
    x = tf.nn.relu(tf.nn.bias_add(x, variable("b1", 4), name="ba1"), name="r1")
    return tf.reshape(x, [-1, 256], name="flat")


@network("plain convolutions, one with `+`, one with a batch norm, on ref variables")
def raw_conv_tf_add_bn_ref() -> Built:
    x = image(8)
    with tf.variable_scope("one", use_resource=False):
        x = tf.nn.conv2d(x, variable("w", 3, 3, 3, 4), 1, "SAME")
        x = tf.nn.relu(x + variable("b", 4))
    with tf.variable_scope("two", use_resource=False):
        x = tf.nn.conv2d(x, variable("w", 3, 3, 4, 4), 1, "SAME")
        x = tf.nn.relu(tf.layers.batch_normalization(x))
    return head(x)


@network("MatMul and tf.add on ref variables")
def matmul_tf_add_ref() -> Built:
    return _matmul(resource=False, plus=False)


@network("MatMul and tf.add on resource variables")
def matmul_tf_add_resource() -> Built:
    return _matmul(resource=True, plus=False)


@network("MatMul and `+` on ref variables")
def matmul_plus_ref() -> Built:
    return _matmul(resource=False, plus=True)


def _matmul(resource: bool, plus: bool) -> Built:
    x = tf.reshape(image(4), [-1, 48])
    with tf.variable_scope("one", use_resource=resource):
        x = tf.nn.relu(_sum(tf.matmul(x, variable("w", 48, 6)), variable("b", 6), plus))
    with tf.variable_scope("two", use_resource=resource):
        x = _sum(tf.matmul(x, variable("w", 6, 3)), variable("b", 3), plus)
    return tf.nn.softmax(x)


def _sum(a: Tensor, b: Tensor, plus: bool) -> Tensor:
    return a + b if plus else add(a, b)


@network("dense layers without bias")
def dense_bias_less() -> Built:
    x = keras.Dense(6, use_bias=False, activation="relu", name="d0")(keras.Flatten()(keras_image(4)))
    return keras.Dense(3, use_bias=False, name="d1")(x)


@network("a dense layer of Keras on an image (Tensordot)")
def dense_on_4d() -> Built:
    return head(keras.Dense(5, activation="relu", name="d0")(conv(keras_image(8))))


@network("a dense layer that is applied twice")
def shared_dense() -> Built:
    layer = keras.Dense(12, name="shared")
    x = keras.Flatten()(keras_image(2))
    return keras.Dense(3, name="last")(tf.nn.relu(layer(tf.nn.relu(layer(x)))))


@network("a convolution on two levels, as an FPN's box predictor")
def shared_kernel_two_levels() -> Built:
    low, high = _levels()
    layer = keras.Conv2D(4, 3, padding="same", name="shared")
    return [tf.identity(tf.nn.relu(layer(low)), "low"), tf.identity(tf.nn.relu(layer(high)), "high")]


@network("a convolution on two levels, each with its own batch norm")
def shared_kernel_own_bns() -> Built:
    low, high = _levels()
    layer = keras.Conv2D(4, 3, padding="same", name="shared", use_bias=False)
    return [tf.nn.relu(norm(layer(low)), "low"), tf.nn.relu(norm(layer(high)), "high")]


def _levels() -> Tuple[Tensor, Tensor]:
    low = tf.nn.relu(conv(keras_image(), 4, 3, padding="same", name="a"))
    return low, tf.nn.relu(conv(low, 4, 3, padding="same", strides=2, name="b"))


@network("slim, a kernel on two levels, a batch norm for each, as the Object Detection API's FPN")
def shared_kernel_slim_reuse() -> Built:
    outputs = []
    for number, level in enumerate(_slim_levels()):
        with tf.variable_scope("tower", reuse=tf.AUTO_REUSE):
            x = slim.conv2d(level, 4, 3, activation_fn=None, biases_initializer=None, scope="conv")
            x = slim.batch_norm(x, is_training=False, scale=True, scope=f"bn_{number}")
            outputs.append(tf.nn.relu6(x, name=f"level_{number}"))
    return outputs


@network("slim, a kernel and a bias on two levels")
def shared_kernel_slim_reuse_bias() -> Built:
    outputs = []
    for level in _slim_levels():
        with tf.variable_scope("tower", reuse=tf.AUTO_REUSE):
            outputs.append(slim.conv2d(level, 4, 3, activation_fn=None, scope="conv"))
    return outputs


def _slim_levels() -> Tuple[Tensor, Tensor]:
    low = slim.conv2d(image(), 4, 3, scope="a")
    return low, slim.conv2d(low, 4, 3, stride=2, scope="b")


@network("a convolution and its batch norm on two inputs")
def siamese() -> Built:
    layer, its_norm = keras.Conv2D(4, 3, use_bias=False), keras.BatchNormalization()
    left, right = keras_image(8, 3, name="left"), keras_image(8, 3, name="right")
    return head(tf.abs(tf.nn.relu(its_norm(layer(left))) - tf.nn.relu(its_norm(layer(right)))))
