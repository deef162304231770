"""Small networks, and simulations of some of their quantizers."""

from dataclasses import replace
from typing import Callable, List

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import Settings
from quant_accuracy.why.noise import QuantizedGraph


def small_network(shared: bool = False, tapped: bool = False) -> tf.GraphDef:
    """Input -> conv -> batch norm -> relu, with weights used twice or the convolution's output used twice."""
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        random = np.random.RandomState(0)
        weights = tf.constant(random.normal(size=(3, 3, 3, 4)).astype(np.float32), name="net/weights")
        conv = tf.nn.conv2d(start, weights, 1, "SAME", name="net/Conv2D")
        if shared:
            tf.nn.conv2d(start, weights, 2, "SAME", name="net/other/Conv2D")
        parameters = [tf.constant(random.uniform(0.5, 2.0, size=4).astype(np.float32)) for _ in range(4)]
        norm = tf.nn.fused_batch_norm(conv, *parameters, is_training=False, name="net/norm")[0]
        if tapped:
            norm = norm + conv
        tf.nn.relu(norm, name="end")
    return graph.as_graph_def()


def weighted(weights: Callable[[tf.Tensor], tf.Tensor]) -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        start = tf.placeholder(tf.float32, [4, 4], name="start")
        tf.matmul(start, weights(start), name="end")
    return graph.as_graph_def()


VALUES = np.arange(16, dtype=np.float32).reshape(4, 4) - 7


def constant(graph: tf.GraphDef, name: str) -> np.ndarray:
    (node,) = [node for node in graph.node if node.name == name]
    return tf.make_ndarray(node.attr["value"].tensor)


_NAMES = GraphNames("images", ("start",), ("middle", "end"), ("", "", "", ""))


def small_quantized() -> QuantizedGraph:
    """A net of a few layers with a branch and two outputs, quantized to few bits so that noise is plain."""
    random = np.random.RandomState(3)

    def values(*shape: int) -> tf.Tensor:
        return tf.constant(random.normal(size=shape).astype(np.float32) * 0.4)

    with tf.Graph().as_default() as graph:
        pictures = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images")
        start = tf.identity(tf.cast(pictures, tf.float32) / 128.0 - 1.0, name="start")
        first = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(start, values(3, 3, 3, 6), 1, "SAME", name="a/Conv2D"),
                                           values(6)), name="a/Relu6")
        second = tf.nn.bias_add(tf.nn.depthwise_conv2d_native(first, values(3, 3, 6, 1), [1] * 4, "SAME",
                                                              name="b/depthwise"), values(6), name="b/BiasAdd")
        joined = tf.add(first, second, name="middle")
        tf.nn.conv2d(joined, values(1, 1, 6, 4), 1, "SAME", name="end")
    frozen = graph.as_graph_def()
    settings = Settings(param_bitwidth=4, output_bitwidth=5)
    quantizers = placement.place_quantizers(Network(frozen, "start", ["middle", "end"]), settings)
    return QuantizedGraph(frozen, _NAMES,
                          calibrate.calibrate(frozen, quantizers, settings, "images", random_images(6)))


def random_images(count: int) -> List[np.ndarray]:
    return [np.random.RandomState(seed).randint(0, 256, [1, 8, 8, 3]).astype(np.uint8) for seed in range(count)]


def simulated(network: QuantizedGraph, on: Callable[[str], bool]) -> tf.GraphDef:
    """The simulation with some quantizers only, built for them alone."""
    chosen = [replace(q, enabled=q.enabled and on(q.tensor)) for q in network.quantization.quantizers]
    return simulate.simulate(network.graph, replace(network.quantization, quantizers=chosen))


def outputs_of(network: QuantizedGraph, on: Callable[[str], bool]) -> List[str]:
    return [q.name + ":0" if q.enabled and on(q.tensor) else q.tensor
            for name in network.names.output_ops for q in network.quantization.quantizers if q.tensor == name + ":0"]
