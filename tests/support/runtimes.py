"""What tests of the runtimes share: every runtime, and small graphs with preprocessing and post-processing."""

from typing import Callable, List

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import OPENVINO, TENSORFLOW

EVERY = (TENSORFLOW, OPENVINO)
SIDE = 12
FETCHES = ["before:0", "a/Relu6:0", "out:0", "behind:0", "out/count:0"]


def values(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.RandomState(seed).normal(size=shape).astype(np.float32) * 0.4)


def detector_like() -> tf.GraphDef:
    """A loop over images, a network whose shape follows the batch's, and a loop over what it gives.

    What is behind the network takes its output, a shape inside of it, and a result of the preprocessing.
    """
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.uint8, [None, SIDE, SIDE, 3], name="images")
        scaled = tf.map_fn(lambda image: tf.cast(image, tf.float32) / 127.5 - 1.0, images, dtype=tf.float32)
        start = tf.identity(scaled, name="start")
        before = tf.reduce_max(images, axis=[1, 2, 3], name="before")
        first = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(start, values(3, 3, 3, 8), 2, "SAME"), values(8)),
                            name="a/Relu6")
        second = tf.nn.depthwise_conv2d_native(first, values(3, 3, 8, 1, seed=1), [1] * 4, "SAME", name="b/depthwise")
        last = tf.nn.conv2d(second + first, values(1, 1, 8, 4, seed=2), 1, "SAME")
        out = tf.reshape(last, tf.stack([tf.shape(last)[0], -1, 4]), name="out")
        count = tf.shape(first, name="out/count")
        with tf.control_dependencies([tf.identity(out)]):
            factor = tf.cast(before, tf.float32) * tf.cast(count[1], tf.float32)
        tf.map_fn(lambda pair: pair[0] * pair[1], (out, factor), dtype=tf.float32)
        tf.identity(tf.map_fn(lambda pair: pair[0] * pair[1], (out, factor), dtype=tf.float32), name="behind")
    return graph.as_graph_def()


def images(count: int, batch: int = 1, side: int = SIDE) -> List[np.ndarray]:
    return [np.random.RandomState(seed).randint(0, 256, [batch, side, side, 3]).astype(np.uint8)
            for seed in range(count)]


def network(build: Callable[[tf.Tensor], tf.Tensor]) -> tf.GraphDef:
    """Images -> `start` -> what `build` makes of it -> `end`."""
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.cast(tf.placeholder(tf.uint8, [None, SIDE, SIDE, 3], name="images"), tf.float32) / 128.0
                            - 1.0, name="start")
        tf.identity(build(start), name="end")
    return graph.as_graph_def()
