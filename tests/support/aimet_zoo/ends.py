"""Several inputs and outputs, and where a network starts and ends."""

import numpy as np
import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import Built, Ends, Tensor, conv, head, image, keras, keras_image, network, norm


@network("two inputs, each with a batch norm")
def several_inputs() -> Built:
    return _two_inputs()


@network("two inputs, named in the other order")
def starts_reversed() -> Built:
    return Ends([_two_inputs()], ["right", "left"])


@network("two inputs, one of them named")
def several_inputs_one_start() -> Built:
    return Ends([_two_inputs()], ["left"])


def _two_inputs() -> Tensor:
    left, right = keras_image(8, 3, name="left"), keras_image(8, 3, name="right")
    x = keras.Concatenate()([tf.nn.relu(norm(conv(left, 4))), tf.nn.relu(norm(conv(right, 4)))])
    return head(conv(x))


@network("two inputs that are added")
def several_inputs_add() -> Built:
    left, right = keras_image(8, 3, name="left"), keras_image(8, 3, name="right")
    return head(conv(left + right))


@network("a number as the second input")
def several_inputs_scalar() -> Built:
    x = image(8, 3, name="left")
    factor = tf.placeholder(tf.float32, [], name="factor")
    return head(conv(x) * factor)


@network("a second input that comes late")
def several_inputs_second_late() -> Built:
    left, side = keras_image(8, 3, name="left"), keras_image(4, 4, name="side")
    x = conv(tf.nn.relu(conv(left, 4)), 4, 3)
    return head(tf.nn.relu(x) + side)


@network("three inputs, one of integers")
def three_inputs_mixed() -> Built:
    left, right = image(8, 3, "left"), image(8, 3, "right")
    labels = tf.placeholder(tf.int32, [None, 8, 8, 1], name="labels")
    x = tf.concat([tf.nn.relu(norm(conv(left, 4, padding="same"))), right, tf.cast(labels, tf.float32)], -1)
    return head(conv(x))


@network("an input that two ops read")
def input_used_twice() -> Built:
    i = keras_image(8)
    return head(tf.concat([conv(i, 4, 1), i], -1))


@network("an output that is one op away from the input")
def input_to_output_directly() -> Built:
    i = keras_image(8)
    return [head(conv(i)), tf.square(i, "squared")]


@network("images in a placeholder with a default")
def placeholder_with_default_image() -> Built:
    i = tf.placeholder_with_default(np.zeros([2, 8, 8, 3], np.float32), [None, 8, 8, 3], name="image")
    return Ends([head(conv(i))], ["image"])


@network("images of bytes, brought to -1 to 1")
def cast_input_uint8() -> Built:
    i = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="image_tensor")
    return head(conv(tf.cast(i, tf.float32) * (2.0 / 255.0) - 1.0))


@network("a start behind the preprocessing")
def start_in_the_middle() -> Built:
    i = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="image_tensor")
    x = tf.identity(tf.cast(i, tf.float32) / 127.5 - 1.0, "preprocessed")
    return Ends([head(conv(tf.nn.relu(norm(conv(x)))))], ["preprocessed"])


@network("a start at a convolution")
def start_at_conv() -> Built:
    x = conv(keras_image(8), name="first")
    return Ends([head(conv(tf.nn.relu(norm(x))))], ["first/Conv2D"])


@network("two starts, one behind the other")
def starts_one_behind_other() -> Built:
    i = keras_image(8)
    x = tf.nn.relu(conv(i, name="first"))
    return Ends([head(conv(x))], [i.op.name, "first/Conv2D"])


@network("an output on the way to another")
def output_in_the_middle() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(8))))
    return [x, head(conv(x, name="second"))]


@network("a convolution that is an output, with a Relu behind it")
def output_before_relu() -> Built:
    x = conv(keras_image(8))
    return [x, head(tf.nn.relu(x))]


@network("a graph that goes on behind its output")
def outputs_stop_early() -> Built:
    x = tf.nn.relu(norm(conv(keras_image(8))))
    head(conv(x))
    return x


@network("three outputs in the other order")
def outputs_reversed() -> Built:
    a = tf.nn.relu(norm(conv(keras_image(), 4, name="a")))
    b = tf.nn.relu(norm(conv(a, 4, name="b")))
    c = tf.nn.relu(norm(conv(a, 4, name="c")))
    return [head(c, name="hc"), head(b, name="hb"), head(a, name="ha")]


@network("an output of booleans")
def output_bool() -> Built:
    x = tf.nn.sigmoid(conv(keras_image(8)))
    return [head(x), tf.greater(x, 0.5, name="is_on")]


@network("an output of integers (ArgMax), and a largest value")
def output_argmax() -> Built:
    x = head(conv(keras_image(8)))
    return [x, tf.argmax(x, -1, name="classes"), tf.reduce_max(x, -1, name="scores")]


@network("an output of bytes")
def output_cast() -> Built:
    return tf.cast(tf.round(255 * tf.nn.sigmoid(conv(keras_image(8)))), tf.uint8, name="picture")


@network("a convolution that is the output")
def output_is_conv() -> Built:
    return conv(tf.nn.relu(norm(conv(keras_image()))), 5, name="last")


@network("a Reshape that is the output, counted as a Flatten")
def output_is_reshape() -> Built:
    return tf.reshape(conv(tf.nn.relu(conv(keras_image()))), [-1, 144 * 4], name="last")


@network("a Reshape that is the output")
def output_is_reshape_3d() -> Built:
    return tf.reshape(conv(tf.nn.relu(conv(keras_image()))), [-1, 144, 4], name="last")


@network("one part of a split that is the output")
def output_is_split() -> Built:
    return tf.split(conv(keras_image(8)), 2, -1, name="halves")[0]


@network("an Identity and a Square of an output that are outputs")
def output_feeds_output() -> Built:
    x = head(conv(keras_image(8)))
    return [x, tf.identity(x, "copy"), tf.square(x, "square")]


@network("Identities between layers and at the end")
def identities() -> Built:
    x = tf.identity(conv(keras_image(8)), "after_conv")
    x = tf.identity(tf.nn.relu(x), "after_relu")
    x = tf.identity(conv(x), "after_conv2")
    return tf.identity(head(x), "final")


@network("StopGradient and CheckNumerics")
def stop_gradient_checknumerics() -> Built:
    x = tf.stop_gradient(conv(keras_image(8)))
    return head(tf.check_numerics(tf.nn.relu(x), "bad"))
