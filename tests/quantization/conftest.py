"""What the tests of this room share."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf


@pytest.fixture(scope="module")
def network() -> tf.GraphDef:
    """Images -> conv + bias -> relu -> [conv -> add] <- ... -> matmul + bias: one op of each interesting kind."""
    with tf.Graph().as_default() as graph:
        random = np.random.RandomState(0)

        def weights(*shape: int) -> np.ndarray:
            return random.normal(size=shape).astype(np.float32)

        images = tf.placeholder(tf.float32, [1, 8, 8, 3], name="images")
        first = tf.nn.conv2d(images, tf.constant(weights(3, 3, 3, 4), name="first/weights"), 1, "SAME",
                             name="first/Conv2D")
        first = tf.nn.bias_add(first, tf.constant(weights(4), name="first/biases"), name="first/BiasAdd")
        first = tf.nn.relu(first, name="first/Relu")
        deep = tf.nn.depthwise_conv2d_native(first, tf.constant(weights(3, 3, 4, 1), name="deep/weights"),
                                             [1, 1, 1, 1], "SAME", name="deep/depthwise")
        joined = tf.add(tf.nn.relu6(deep, name="deep/Relu6"), first, name="joined")
        pooled = tf.reduce_mean(tf.sigmoid(joined, name="squashed"), [1, 2], name="pooled")
        product = tf.matmul(pooled, tf.constant(weights(4, 5), name="dense/weights"), name="dense/MatMul")
        tf.nn.bias_add(product, tf.constant(weights(5), name="dense/biases"), name="dense/BiasAdd")
    return graph.as_graph_def()
