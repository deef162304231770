"""Batch norms whose only neighbour is the layer behind them, and such that have none."""

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import Built, Tensor, conv, depthwise, head, keras, keras_image, network, norm


def _activated(size: int = 16) -> Tensor:
    """What a batch norm cannot go back through."""
    return tf.nn.relu(conv(keras_image(size)))


@network("a batch norm before a convolution, SAME padding")
def bn_before_conv_same() -> Built:
    return head(conv(norm(_activated()), padding="same", name="after"))


@network("a batch norm before a convolution, VALID padding")
def bn_before_conv_valid() -> Built:
    return head(conv(norm(_activated()), padding="valid", name="after"))


@network("a batch norm before a convolution without bias, SAME padding")
def bn_before_conv_nobias_same() -> Built:
    return head(conv(norm(_activated()), padding="same", use_bias=False, name="after"))


@network("a batch norm before a convolution without bias, VALID padding")
def bn_before_conv_nobias_valid() -> Built:
    return head(conv(norm(_activated()), padding="valid", use_bias=False, name="after"))


@network("a batch norm before a 1x1 convolution, where SAME pads nothing")
def bn_before_conv_1x1_same() -> Built:
    return head(conv(norm(_activated()), 5, 1, padding="same"))


@network("a batch norm on the input")
def bn_first_on_input() -> Built:
    return head(conv(norm(keras_image()), 4, 3))


@network("a batch norm before a depthwise convolution, SAME padding")
def bn_before_depthwise_same() -> Built:
    return head(depthwise(norm(_activated()), padding="same", name="after"))


@network("a batch norm before a depthwise convolution, VALID padding")
def bn_before_depthwise_valid() -> Built:
    return head(depthwise(norm(_activated()), padding="valid", name="after"))


@network("a batch norm before a depthwise convolution of multiplier 2")
def bn_before_depthwise_multiplier2() -> Built:
    return head(depthwise(norm(_activated()), depth_multiplier=2))


@network("a batch norm, a Flatten of several positions, a dense layer")
def bn_flatten_dense() -> Built:
    return head(norm(_activated(8)))


@network("a batch norm, a Flatten of one position, a dense layer")
def bn_flatten_dense_1x1() -> Built:
    return head(norm(_activated(3)))


@network("a batch norm, a Reshape of one position, a dense layer")
def bn_reshape_dense() -> Built:
    return tf.nn.softmax(keras.Dense(3, name="d")(keras.Reshape((4,))(norm(_activated(3)))))


@network("a spelled-out batch norm between dense layers")
def bn_dense_2d() -> Built:
    x = keras.Dense(6, activation="relu", name="d0")(keras.Flatten()(keras_image(4)))
    return keras.Dense(3, name="d1", activation="softmax")(norm(x))


@network("a batch norm that two convolutions read")
def bn_between_branches() -> Built:
    x = norm(_activated())
    return head(conv(x, 4, 3, name="a") + conv(x, 4, 3, name="b"))


@network("a batch norm behind a concat of convolutions, nothing behind it to fold into")
def bn_after_concat() -> Built:
    i = keras_image()
    x = tf.concat([conv(i, 3, name="a"), conv(i, 4, name="b")], -1)
    return head(tf.nn.relu(norm(x)))


@network("a batch norm between a concat and a convolution")
def bn_after_concat_before_conv() -> Built:
    i = keras_image()
    x = keras.Concatenate()([conv(i, 3, name="a"), conv(i, 4, name="b")])
    return head(conv(norm(x), 4, name="after"))


@network("a batch norm between an addition and a convolution")
def bn_after_add_then_conv() -> Built:
    i = keras_image()
    x = keras.Add()([conv(i, 4, name="a"), conv(i, 4, name="b")])
    return head(conv(norm(x), 4, name="after"))


@network("three batch norms in a row before a convolution")
def three_bns_before_conv() -> Built:
    return head(conv(norm(norm(norm(_activated()))), name="after"))


@network("a Pad between batch norm and convolution")
def bn_pad_conv() -> Built:
    return head(conv(keras.ZeroPadding2D()(norm(_activated()))))
