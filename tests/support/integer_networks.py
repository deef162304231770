"""Small networks that integer kernels run, and what an integer model is made from."""

from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.device.job import Job
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement
from quant_accuracy.quantization.records import Settings

SIDE = 16
_PLAIN = Settings()


class Layers:
    """Layers with random weights, the same ones in every process."""

    def __init__(self) -> None:
        self._random = np.random.RandomState(3)

    def values(self, *shape: int) -> tf.Tensor:
        return tf.constant(self._random.normal(size=shape).astype(np.float32) * 0.4)

    def conv(self, name: str, tensor: tf.Tensor, channels: int, side: int = 3) -> tf.Tensor:
        weights = self.values(side, side, int(tensor.shape[3]), channels)
        return tf.nn.bias_add(tf.nn.conv2d(tensor, weights, 1, "SAME", name=f"{name}/Conv2D"), self.values(channels),
                              name=f"{name}/BiasAdd")

    def depthwise(self, name: str, tensor: tf.Tensor) -> tf.Tensor:
        channels = int(tensor.shape[3])
        return tf.nn.bias_add(tf.nn.depthwise_conv2d_native(tensor, self.values(3, 3, channels, 1), [1] * 4, "SAME",
                                                            name=f"{name}/depthwise"),
                              self.values(channels), name=f"{name}/BiasAdd")


# From the network's input and layers to nothing: its last ops have the names of the outputs.
Body = Callable[[tf.Tensor, Layers], Any]


def one_convolution(start: tf.Tensor, layers: Layers) -> None:
    tf.nn.relu6(layers.conv("a", start, 6), name="end")


def branches(start: tf.Tensor, layers: Layers) -> None:
    """A branch that is added, and two outputs: one joined of two ranges, one reshaped."""
    first = tf.nn.relu6(layers.conv("a", start, 6), name="a/Relu6")
    middle = tf.add(first, layers.depthwise("b", first), name="added")
    small, large = layers.conv("c", middle, 2, 1), 3.0 * layers.conv("d", middle, 2, 1)
    tf.concat([small, tf.identity(large, name="large")], 3, name="middle")
    tf.reshape(layers.conv("e", middle, 4), [-1, SIDE * SIDE, 4], name="end")


def job(folder: Path, body: Body = branches, outputs: Any = ("middle", "end"), settings: Settings = _PLAIN,
        preprocess: Any = lambda images: images / 127.5 - 1.0, start: str = "start") -> Job:
    """A job with calibrated encodings; nothing quantizes the input unless a configuration does."""
    with tf.Graph().as_default() as graph:
        pictures = tf.placeholder(tf.uint8, [None, SIDE, SIDE, 3], name="images")
        body(tf.identity(preprocess(tf.cast(pictures, tf.float32)), name="start"), Layers())
    frozen = graph.as_graph_def()
    names = GraphNames("images", (start,), tuple(outputs), ("", "", "", ""))
    quantizers = placement.place_quantizers(Network.of(frozen, names), settings)
    quantization = calibrate.calibrate(frozen, quantizers, settings, "images", images(4))
    return Job(frozen, names, quantization, SIDE, SIDE, folder)


def images(count: int) -> List[np.ndarray]:
    """uint8 [1, SIDE, SIDE, 3] each."""
    return [np.random.RandomState(seed).randint(0, 256, [1, SIDE, SIDE, 3]).astype(np.uint8)
            for seed in range(count)]
