"""Normalizations of slim, and all that are no fused batch norms."""

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import (
    Built,
    Tensor,
    conv,
    head,
    image,
    keras_image,
    network,
    norm,
    variable,
)
from tests.support.slim import layers as contrib
from tests.support.slim import slim


@network("slim, fused batch norms, a separable convolution")
def slim_bn_fused() -> Built:
    return _slim(fused=True)


@network("slim, spelled-out batch norms, a separable convolution")
def slim_bn_unfused() -> Built:
    return _slim(fused=False)


def _slim(fused: bool) -> Built:
    with slim.arg_scope([slim.batch_norm], is_training=False, fused=fused, scale=True):
        x = slim.conv2d(image(), 4, 3, normalizer_fn=slim.batch_norm)
        x = slim.separable_conv2d(x, 6, 3, 1, normalizer_fn=slim.batch_norm)
        x = slim.conv2d(x, 4, 3, normalizer_fn=slim.batch_norm, activation_fn=None)
    return tf.nn.softmax(slim.fully_connected(slim.flatten(x), 3, activation_fn=None))


@network("slim, one batch norm without gamma and one without beta")
def slim_bn_no_scale_no_center() -> Built:
    x = slim.conv2d(image(), 4, 3, normalizer_fn=slim.batch_norm,
                    normalizer_params={"is_training": False, "scale": False})
    x = slim.conv2d(x, 4, 3, normalizer_fn=slim.batch_norm,
                    normalizer_params={"is_training": False, "center": False, "scale": True})
    return head(x)


@network("slim, depthwise, pointwise and separable convolutions with batch norms")
def separable_slim_bn() -> Built:
    x = _normalized(slim.separable_conv2d, image(8), None, 3, 1)
    x = _normalized(slim.conv2d, x, 6, 1)
    return head(_normalized(slim.separable_conv2d, x, 5, 3, 1))


@network("slim, dilated convolutions with batch norms")
def dilated_slim_bn() -> Built:
    x = _normalized(slim.conv2d, image(), 4, 3, rate=2)
    return head(_normalized(slim.separable_conv2d, x, None, 3, 1, rate=2))


@network("slim, a transposed convolution with a batch norm")
def transpose_slim_bn() -> Built:
    return head(_normalized(slim.conv2d_transpose, slim.conv2d(image(8), 4, 3), 4, 3, 2))


def _normalized(layer: Tensor, *arguments: object, **options: object) -> Tensor:
    return layer(*arguments, normalizer_fn=slim.batch_norm, normalizer_params={"is_training": False}, **options)


@network("tf.nn.fused_batch_norm on variables of its own")
def fused_bn_by_hand() -> Built:
    x = conv(image(), use_bias=False)
    x, _, _ = tf.nn.fused_batch_norm(x, variable("gamma", 4), variable("beta", 4), variable("moving_mean", 4),
                                     variable("moving_variance", 4), is_training=False)
    return head(tf.nn.relu(x))


@network("tf.nn.batch_normalization behind a convolution of slim")
def bn_spelled_out_slim_conv() -> Built:
    return head(tf.nn.relu(_spelled_out(slim.conv2d(image(), 4, 3, activation_fn=None))))


def _spelled_out(x: Tensor) -> Tensor:
    return tf.nn.batch_normalization(x, variable("mean", 4), variable("variance", 4), variable("beta", 4),
                                     variable("gamma", 4), 1e-3)


@network("spelled-out batch norms of Keras")
def bn_unfused_phase0() -> Built:
    x = tf.nn.relu(norm(conv(keras_image()), fused=False))
    return head(tf.nn.relu(norm(conv(x, 5, use_bias=False), fused=False)))


@network("contrib's instance norm behind a convolution of Keras")
def instance_norm() -> Built:
    return head(tf.nn.relu(contrib.instance_norm(conv(image()))))


@network("two instance norms, one without beta and gamma")
def instance_norm_twice() -> Built:
    x = tf.nn.relu(contrib.instance_norm(slim.conv2d(image(), 4, 3, activation_fn=None)))
    x = slim.conv2d(x, 4, 3, activation_fn=None)
    return head(tf.nn.relu(contrib.instance_norm(x, center=False, scale=False)))


@network("contrib's layer norm")
def layer_norm() -> Built:
    return head(tf.nn.relu(contrib.layer_norm(conv(image()))))


@network("contrib's group norm")
def group_norm() -> Built:
    return head(tf.nn.relu(contrib.group_norm(conv(image()), groups=2)))


@network("tf.nn.l2_normalize")
def l2_normalize() -> Built:
    return head(tf.nn.l2_normalize(conv(keras_image()), -1))
