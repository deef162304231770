"""Batch norms behind a convolution or a dense layer."""

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import Built, conv, depthwise, head, image, keras, keras_image, network, norm


@network("three convolutions, two with a bias of their own before the batch norm")
def conv_bias_bn_relu() -> Built:
    x = tf.nn.relu(norm(conv(keras_image())))
    x = tf.nn.relu(norm(conv(x, 5, use_bias=False)))
    return head(tf.nn.relu(norm(conv(x, 6))))


@network("a batch norm that could go either way")
def conv_bn_conv() -> Built:
    return head(conv(norm(conv(keras_image())), name="after"))


@network("two batch norms in a row behind a convolution")
def two_bns_in_a_row() -> Built:
    return head(tf.nn.relu(norm(norm(conv(keras_image())))))


@network("a convolution with two batch norms side by side")
def conv_two_bns() -> Built:
    x = conv(keras_image())
    return head(tf.nn.relu(norm(x)) + tf.nn.sigmoid(norm(x)))


@network("a convolution that its batch norm and something else read")
def bn_conv_two_consumers() -> Built:
    x = conv(keras_image())
    y = norm(x)
    z = tf.nn.relu(x)
    return head(tf.nn.relu(y) + z)


@network("a batch norm that two ops read")
def bn_two_consumers() -> Built:
    x = norm(conv(keras_image(), use_bias=False))
    return head(tf.nn.relu(x) + tf.nn.sigmoid(x))


@network("an Identity between convolution and batch norm")
def bn_identity_between() -> Built:
    return head(tf.nn.relu(norm(tf.identity(conv(keras_image())))))


@network("batch norms without gamma")
def bn_no_scale() -> Built:
    x = tf.nn.relu(norm(conv(keras_image()), scale=False))
    return head(tf.nn.relu(norm(conv(x, 5, use_bias=False), scale=False)))


@network("a batch norm without beta")
def bn_no_center() -> Built:
    return head(tf.nn.relu(norm(conv(keras_image()), center=False)))


@network("a batch norm that is the output")
def bn_at_the_end() -> Built:
    return norm(conv(tf.nn.relu(norm(conv(keras_image())))), name="last")


@network("a batch norm that is an output and goes on")
def bn_is_output() -> Built:
    x = norm(conv(keras_image()))
    return [x, head(tf.nn.relu(x))]


@network("a convolution that is an output, with a batch norm behind it")
def conv_is_output_before_bn() -> Built:
    x = conv(keras_image())
    return [x, head(tf.nn.relu(norm(x)))]


@network("a batch norm behind a dense layer")
def dense_bn() -> Built:
    x = keras.Dense(6, use_bias=False, name="d0")(keras.Flatten()(keras_image(4)))
    return keras.Dense(3, name="d1", activation="softmax")(tf.nn.relu(norm(x)))


@network("a depthwise convolution and its batch norm")
def bn_behind_depthwise() -> Built:
    return head(tf.nn.relu(norm(depthwise(conv(keras_image()), use_bias=False))))


@network("a depthwise convolution with a bias, and its batch norm")
def depthwise_bias_bn() -> Built:
    return head(tf.nn.relu(norm(depthwise(conv(keras_image())))))


@network("a depthwise convolution of multiplier 2 and its batch norm")
def bn_behind_depthwise_multiplier2() -> Built:
    return head(tf.nn.relu(norm(depthwise(conv(keras_image()), depth_multiplier=2, use_bias=False))))


@network("separable convolutions of Keras with batch norms")
def separable_keras() -> Built:
    x = tf.nn.relu(norm(keras.SeparableConv2D(4, 3)(keras_image(8))))
    return head(tf.nn.relu(norm(keras.SeparableConv2D(5, 3, use_bias=False)(x))))


@network("dilated convolutions (SpaceToBatchND), one with a batch norm")
def dilated_keras() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(), 4, 3, dilation_rate=2, use_bias=False)))
    return head(tf.nn.relu(conv(x, 4, 3, dilation_rate=2)))


@network("dilated convolutions with SAME padding, one with a batch norm")
def dilated_keras_same() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(), 4, 3, dilation_rate=2, padding="same", use_bias=False)))
    return head(tf.nn.relu(conv(x, 4, 3, dilation_rate=2, padding="same")))


@network("tf.layers, batch norms fused")
def tf_layers_bn_fused() -> Built:
    return _tf_layers(fused=True)


@network("tf.layers, batch norms spelled out")
def tf_layers_bn_unfused() -> Built:
    return _tf_layers(fused=False)


def _tf_layers(fused: bool) -> Built:
    x = tf.layers.conv2d(image(), 4, 3)
    x = tf.nn.relu(tf.layers.batch_normalization(x, fused=fused))
    x = tf.layers.conv2d(x, 5, 3, use_bias=False)
    return head(tf.nn.relu(tf.layers.batch_normalization(x, fused=fused)))


@network("branches of different depth with a batch norm everywhere, two outputs")
def wide_branches() -> Built:
    def block(x: object, channels: int, kernel: int = 1, name: str = "") -> Built:
        return tf.nn.relu(norm(conv(x, channels, kernel, padding="same", use_bias=False, name=name)))

    stem = block(keras_image(), 4, 3, "stem")
    first = block(stem, 4, 1, "b1")
    second = block(block(stem, 4, 1, "b2a"), 4, 3, "b2b")
    third = block(block(block(stem, 4, 1, "b3a"), 4, 3, "b3b"), 4, 3, "b3c")
    fourth = block(keras.AveragePooling2D(3, 1, "same")(stem), 4, 1, "b4")
    x = keras.Concatenate()([third, first, fourth, second])
    x = keras.Add()([block(x, 8, 1, "p1"), block(block(x, 4, 1, "q1"), 8, 3, "q2")])
    return [head(block(x, 4, 3, "tail")), block(second, 3, 3, "side")]


@network("layers that are created in another order than they are applied")
def created_out_of_order() -> Built:
    late = [keras.Conv2D(4, 3, use_bias=False, name=f"l{number}") for number in range(4)]
    for layer in late:
        layer.build([None, 16, 16, 4])
    x = tf.nn.relu(norm(conv(keras_image(), 4, name="first")))
    a = tf.nn.relu(norm(late[2](x)))
    b = tf.nn.relu(norm(late[0](x)))
    return [head(tf.nn.relu(norm(late[3](a + b)))), tf.nn.relu(norm(late[1](b)), name="side")]
