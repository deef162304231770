"""Learning phases, dropouts, conds, and what training leaves in a checkpoint."""

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
)
from tests.support.slim import slim


@network("Keras' learning phase left, fused batch norms", learning_phase=None)
def bn_fused_phase_left() -> Built:
    return _two(None, None, fused=True)


@network("Keras' learning phase left, spelled-out batch norms", learning_phase=None)
def bn_unfused_phase_left() -> Built:
    return _two(None, None, fused=False)


@network("one batch norm in training, one not", learning_phase=None)
def bn_fused_training_true() -> Built:
    return _two(True, False, fused=True)


@network("`training` is a placeholder with a default, fused batch norms", learning_phase=None)
def bn_fused_training_tensor() -> Built:
    return _two_as(tf.placeholder_with_default(False, [], name="is_training"), fused=True)


@network("`training` is a placeholder", learning_phase=None)
def bn_fused_training_placeholder() -> Built:
    return _two_as(tf.placeholder(tf.bool, [], name="is_training"), fused=True)


def _two_as(training: Tensor, fused: bool) -> Built:
    return _two(training, training, fused)


def _two(first: Tensor, second: Tensor, fused: bool) -> Built:
    x = tf.nn.relu(norm(conv(keras_image()), fused=fused, training=first))
    bias = first is None
    return head(tf.nn.relu(norm(conv(x, 5, use_bias=bias), fused=fused, training=second)))


@network("slim, `is_training` is a placeholder with a default")
def slim_bn_fused_is_training_default() -> Built:
    return _slim(tf.placeholder_with_default(False, [], name="is_training"))


@network("slim, `is_training` is a placeholder")
def slim_bn_is_training_placeholder() -> Built:
    return _slim(tf.placeholder(tf.bool, [], name="is_training"))


@network("slim in training, with a dropout")
def slim_bn_is_training_true() -> Built:
    x = slim.conv2d(image(), 4, 3, normalizer_fn=slim.batch_norm, normalizer_params={"is_training": True})
    x = slim.dropout(x, is_training=True)
    x = slim.conv2d(x, 4, 3, normalizer_fn=slim.batch_norm, activation_fn=None)
    return tf.nn.softmax(slim.fully_connected(slim.flatten(x), 3, activation_fn=None))


def _slim(training: Tensor) -> Built:
    with slim.arg_scope([slim.batch_norm], is_training=training):
        x = slim.conv2d(image(), 4, 3, normalizer_fn=slim.batch_norm)
        x = slim.conv2d(x, 4, 3, normalizer_fn=slim.batch_norm, activation_fn=None)
    return tf.nn.softmax(slim.fully_connected(slim.flatten(x), 3, activation_fn=None))


@network("Keras, inverted residual with the learning phase left", learning_phase=None)
def keras_mobilenet_like_phase_left() -> Built:
    x = tf.nn.relu6(norm(conv(keras_image(), 8, strides=2, use_bias=False)))
    x = tf.nn.relu6(norm(depthwise(x, padding="same", use_bias=False)))
    y = norm(conv(x, 8, 1, use_bias=False))
    z = tf.nn.relu6(norm(conv(y, 16, 1, use_bias=False)))
    z = tf.nn.relu6(norm(depthwise(z, padding="same", use_bias=False)))
    x = keras.Add()([y, norm(conv(z, 8, 1, use_bias=False))])
    x = keras.GlobalAveragePooling2D()(x)
    return keras.Dense(3, activation="softmax", name="last")(keras.Dropout(0.1)(x))


@network("a dropout in inference")
def dropout_keras_phase0() -> Built:
    return head(keras.Dropout(0.3)(conv(keras_image(8))))


@network("a dropout with the learning phase left", learning_phase=None)
def dropout_keras_phase_left() -> Built:
    return head(keras.Dropout(0.3)(tf.nn.relu(conv(keras_image(8)))))


@network("a dropout in training", learning_phase=None)
def dropout_keras_training_true() -> Built:
    return head(keras.Dropout(0.3, seed=1)(conv(keras_image(8)), training=True))


@network("tf.nn.dropout, `keep_prob` is a placeholder with a default")
def dropout_tf_keep_prob_placeholder() -> Built:
    keep = tf.placeholder_with_default(1.0, [], name="keep_prob")
    return head(tf.nn.dropout(conv(keras_image(8)), keep_prob=keep))


@network("a cond on a constant")
def cond_constant() -> Built:
    return _cond(tf.constant(False))


@network("a cond on a placeholder with a default")
def cond_placeholder() -> Built:
    return _cond(tf.placeholder_with_default(False, [], name="flag"))


def _cond(predicate: Tensor) -> Built:
    x = conv(keras_image(8))
    return head(tf.cond(predicate, lambda: tf.nn.relu(x), lambda: x * 0.5))


@network("Adam and a batch norm in training left in")
def optimizer_left_in() -> Built:
    x = tf.nn.relu(tf.layers.batch_normalization(tf.layers.conv2d(image(8), 4, 3)))
    logits = tf.layers.dense(tf.layers.flatten(x), 3)
    probabilities = tf.nn.softmax(logits, name="probs")
    labels = tf.placeholder(tf.int32, [None], name="labels")
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    tf.train.AdamOptimizer().minimize(tf.reduce_mean(loss))
    return probabilities


@network("moving averages of the weights left in", learning_phase=None)
def moving_average_left_in() -> Built:
    x = tf.layers.batch_normalization(tf.layers.conv2d(image(8), 4, 3), training=False)
    probabilities = head(tf.nn.relu(x))
    tf.train.ExponentialMovingAverage(0.9).apply(tf.trainable_variables())
    return probabilities


@network("a fake-quant op left in", learning_phase=None)
def fake_quant_left_in() -> Built:
    x = tf.nn.relu6(conv(image(8)))
    return head(tf.quantization.fake_quant_with_min_max_args(x, 0.0, 6.0))
