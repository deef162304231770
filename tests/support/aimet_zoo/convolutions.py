"""Transposed convolutions, other kinds of convolution, and networks of several parts."""

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import (
    Built,
    Tensor,
    conv,
    depthwise,
    head,
    image,
    keras,
    keras_image,
    network,
    norm,
    transposed,
    variable,
)
from tests.support.slim import slim


@network("a transposed convolution of Keras")
def transpose_keras() -> Built:
    return head(tf.nn.relu(transposed(conv(keras_image(8)), strides=2)))


@network("a transposed convolution of Keras without bias")
def transpose_keras_nobias() -> Built:
    return head(tf.nn.relu(transposed(conv(keras_image(8)), strides=2, use_bias=False)))


@network("a transposed convolution and a batch norm")
def transpose_keras_bn_behind() -> Built:
    return head(tf.nn.relu(norm(transposed(conv(keras_image(8)), strides=2, use_bias=False))))


@network("a transposed convolution with a bias, and a batch norm")
def transpose_keras_bias_bn_behind() -> Built:
    return head(tf.nn.relu(norm(transposed(conv(keras_image(8)), padding="same"))))


@network("a batch norm before a transposed convolution")
def transpose_keras_bn_before() -> Built:
    return head(tf.nn.relu(transposed(norm(tf.nn.relu(conv(keras_image(8)))))))


@network("a transposed convolution of tf.layers")
def transpose_layers() -> Built:
    return head(tf.nn.relu(tf.layers.conv2d_transpose(conv(keras_image(8)), 4, 3, strides=2)))


@network("a transposed convolution of slim")
def transpose_slim() -> Built:
    return head(slim.conv2d_transpose(slim.conv2d(image(8), 4, 3), 4, 3, 2))


@network("tf.nn.conv2d_transpose")
def transpose_raw() -> Built:
    x = conv(image(8))
    x = tf.nn.conv2d_transpose(x, variable("w", 3, 3, 5, 4), tf.stack([tf.shape(x)[0], 12, 12, 5]), [1, 2, 2, 1])
    return head(tf.nn.relu(x))


@network("Keras' UpSampling2D, nearest and bilinear")
def upsampling2d() -> Built:
    x = keras.UpSampling2D()(conv(keras_image(8)))
    x = keras.UpSampling2D(2, interpolation="bilinear")(conv(x))
    return head(conv(x, name="after"))


@network("a depthwise convolution of multiplier 2")
def depthwise_multiplier2() -> Built:
    return head(tf.nn.relu(depthwise(conv(keras_image(8)), depth_multiplier=2)))


@network("tf.nn.depthwise_conv2d and a batch norm")
def depthwise_raw() -> Built:
    with tf.variable_scope("dw"):
        x = tf.nn.depthwise_conv2d(image(8), variable("w", 3, 3, 3, 1), [1, 1, 1, 1], "SAME")
    return head(tf.nn.relu(tf.layers.batch_normalization(x)))


@network("tf.nn.conv2d with dilations")
def dilated_native() -> Built:
    w = variable("w", 3, 3, 3, 4)
    with tf.name_scope("layer"):
        x = tf.nn.conv2d(image(), w, [1, 1, 1, 1], "SAME", dilations=[1, 2, 2, 1])
    return head(tf.nn.relu(x))


@network("Conv1D")
def conv1d() -> Built:
    x = keras.Reshape((36, 4))(conv(keras_image(8)))
    return head(keras.Conv1D(4, 3, activation="relu")(x))


@network("Keras' LSTM, a loop")
def lstm() -> Built:
    x = keras.Reshape((6, 24))(conv(keras_image(8)))
    return keras.Dense(3, name="last")(keras.LSTM(5, unroll=False)(x))


@network("a model of Keras in a model")
def nested_model() -> Built:
    inner = tf.keras.Sequential([keras.Conv2D(4, 3, input_shape=(8, 8, 3)), keras.BatchNormalization(), keras.ReLU()],
                                name="inner")
    return head(inner(keras_image(8)))


@network("a U-Net")
def unet() -> Built:
    def block(x: Tensor, channels: int) -> Tensor:
        return tf.nn.relu(norm(conv(x, channels, 3, padding="same", use_bias=False)))

    a = block(keras_image(), 4)
    b = block(keras.MaxPool2D()(a), 6)
    c = block(keras.MaxPool2D()(b), 8)
    d = block(keras.Concatenate()([b, transposed(c, 6, 2, strides=2)]), 6)
    e = block(keras.Concatenate()([keras.UpSampling2D()(d), a]), 4)
    return tf.nn.sigmoid(conv(e, 1, 1), name="mask")


@network("two levels of YOLO")
def yolo_like() -> Built:
    def block(x: Tensor, channels: int, kernel: int = 3, stride: int = 1) -> Tensor:
        x = conv(x, channels, kernel, strides=stride, padding="same", use_bias=False)
        return keras.LeakyReLU(0.1)(norm(x))

    a = block(block(keras_image(32), 4, 3, 2), 6, 3, 2)
    y = block(block(a, 8, 3, 2), 6, 1)
    coarse = conv(block(y, 8), 9, 1)
    up = keras.UpSampling2D()(block(y, 4, 1))
    fine = conv(block(keras.Concatenate()([up, a]), 8), 9, 1)
    x = tf.concat([tf.reshape(level, [-1, s * s * 3, 3]) for level, s in ((coarse, 4), (fine, 8))], 1)
    return [tf.sigmoid(x[..., :2], name="centres"), tf.exp(x[..., 2:], name="sizes")]
