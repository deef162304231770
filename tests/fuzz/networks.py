"""A small network with what graphs of detectors have: a batch norm, a concatenation, a loop."""

from typing import Callable

import numpy as np
import tensorflow.compat.v1 as tf

# Cases run in processes of their own, which know nothing of pytest's: TensorFlow 2 would write loops as functions.
tf.disable_v2_behavior()

OUTPUTS = ["boxes", "scores"]


def network() -> tf.GraphDef:
    """The network as a frozen graph."""
    with tf.Graph().as_default() as graph:
        build(tf.constant)
    return graph.as_graph_def()


def build(weights: Callable[..., tf.Tensor]) -> None:
    """Build the network in the default graph; `weights` makes a constant or a variable of an array."""
    random = np.random.RandomState(0)
    image = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="image_tensor")
    start = tf.identity(tf.cast(image, tf.float32) / 128.0, name="start")
    kernel = weights(random.normal(size=(3, 3, 3, 4)).astype(np.float32), name="net/weights")
    conv = tf.nn.conv2d(start, kernel, 1, "SAME", name="net/Conv2D")
    norm = [weights(random.uniform(0.5, 2.0, size=4).astype(np.float32), name=f"net/norm/{name}")
            for name in ("gamma", "beta", "mean", "variance")]
    relu = tf.nn.relu6(tf.nn.fused_batch_norm(conv, *norm, is_training=False, name="net/FusedBatchNorm")[0])
    flat = tf.reshape(relu, tf.stack([tf.shape(relu)[0], 64, 4]))
    tf.concat([flat, flat], axis=1, name="boxes")
    tf.nn.sigmoid(tf.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, x + flat), [0, flat])[1], name="scores")
