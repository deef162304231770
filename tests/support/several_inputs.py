"""Networks that begin in several places: behind two scales of one image, and behind two placeholders."""

from typing import Callable, Dict, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.folding import fold
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import Quantizer, Settings

STARTS, OUTPUTS = ("large", "small"), ("end", "scores")


def _constant(random: np.random.RandomState, *shape: int) -> tf.Tensor:
    return tf.constant(random.normal(size=shape).astype(np.float32) * 0.4)


def _layer(random: np.random.RandomState, x: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    """Convolution, batch norm and relu."""
    kernel = _constant(random, 3, 3, int(x.shape[-1]), channels)
    norm = [tf.constant(random.uniform(0.5, 2.0, size=channels).astype(np.float32)) for _ in range(4)]
    conv = tf.nn.conv2d(x, tf.identity(kernel, name=f"{name}/kernel/read"), 1, "SAME", name=f"{name}/Conv2D")
    return tf.nn.relu(tf.nn.fused_batch_norm(conv, *norm, is_training=False, name=f"{name}/norm")[0],
                      name=f"{name}/Relu")


def _joined(large: tf.Tensor, small: tf.Tensor) -> None:
    random = np.random.RandomState(0)
    branches = [_layer(random, large, 4, "a")[:, ::2, ::2], _layer(random, small, 6, "b")]
    joined = _layer(random, tf.concat(branches, 3, name="joined"), 5, "c")
    tf.nn.conv2d(joined, _constant(random, 1, 1, 5, 8), 1, "SAME", name="end/Conv2D")
    tf.sigmoid(joined * 3.0, name="scores")


def two_scales() -> tf.GraphDef:
    """One placeholder, `images`, and two scales of it that start a branch each."""
    with tf.Graph().as_default() as graph:
        pixels = tf.cast(tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images"), tf.float32)
        _joined(tf.subtract(pixels, 128.0, name="large") / 64.0,
                tf.nn.avg_pool2d(tf.multiply(pixels, 1 / 255, name="scaled"), 2, 2, "VALID", name="small"))
        tf.identity(graph.get_tensor_by_name("end/Conv2D:0"), name="end")
    return graph.as_graph_def()


def two_inputs(more: Callable[[], None] = lambda: None) -> tf.GraphDef:
    """Two placeholders, which are the starting ops."""
    with tf.Graph().as_default() as graph:
        _joined(tf.placeholder(tf.float32, [None, 8, 8, 3], name="large"),
                tf.placeholder(tf.float32, [None, 4, 4, 2], name="small"))
        tf.identity(graph.get_tensor_by_name("end/Conv2D:0"), name="end")
        more()
    return graph.as_graph_def()


def folded(graph: tf.GraphDef) -> Network:
    found = fold.fold_batch_norms(Network(graph, STARTS, OUTPUTS))
    assert [found.not_folded, len(found.folded)] == [[], 3]
    return Network(found.graph, STARTS, OUTPUTS)


def placed(network: Network) -> List[Quantizer]:
    return placement.place_quantizers(network, Settings())


def values(count: int) -> Sequence[Dict[str, np.ndarray]]:
    """Batches for `two_inputs`."""
    random = np.random.RandomState(1)
    return [{"large": random.normal(size=[2, 8, 8, 3]).astype(np.float32),
             "small": random.uniform(-3, 1, size=[2, 4, 4, 2]).astype(np.float32)} for _ in range(count)]
