"""The real AIMET for ONNX: the demo quantized by it once, and a small network that is quantized in a second."""

from pathlib import Path
from typing import Any, List, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.data import images, shards
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet_onnx, calibrate, placement
from quant_accuracy.quantization.records import Quantization, Settings
from quant_accuracy.settings.card import DataPaths, ModelCard

SMALL_NAMES = GraphNames("images", ("start",), ("boxes", "classes"), ("", "", "", ""))


class Both(NamedTuple):
    """What the two backends make of the same network, settings and images."""

    network: Network
    theirs: Quantization
    ours: Quantization
    folder: Path


@pytest.fixture(scope="session")
def with_aimet_onnx() -> None:
    if aimet_onnx.installed() is None:
        pytest.skip("AIMET ONNX is not installed (./run aimet-install, in the lane of Python 3.10 or later)")


@pytest.fixture(scope="session")
def demo_network(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Network:
    restored = build.restore(build.settled(demo_card), demo.checkpoint, cache)
    return Network.of(restored.graph(), demo_card.graph)


@pytest.fixture(scope="session")
def demo_images(demo: DataPaths) -> List[np.ndarray]:
    return images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 2, 300, 300)


@pytest.fixture(scope="session")
def demo_both(with_aimet_onnx: None, demo_network: Network, demo_images: List[np.ndarray], demo_card: ModelCard,
              tmp_path_factory: Any) -> Both:
    return both(demo_network, demo_card.graph, demo_card.quantization, demo_images,
                tmp_path_factory.mktemp("aimet_onnx"))


@pytest.fixture(scope="session")
def small_both(with_aimet_onnx: None, tmp_path_factory: Any) -> Both:
    return both(small_network(), SMALL_NAMES, Settings(), small_images(4), tmp_path_factory.mktemp("small"))


def both(network: Network, names: GraphNames, settings: Settings, batches: List[np.ndarray], folder: Path) -> Both:
    theirs = aimet_onnx.build(network, names.image_input, settings, batches, folder)
    ours = calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings,
                               names.image_input, batches)
    return Both(network, theirs, ours, folder)


def small_images(count: int) -> List[np.ndarray]:
    return [np.random.RandomState(seed).randint(0, 256, [1, 16, 16, 3]).astype(np.uint8) for seed in range(count)]


def small_network() -> Network:
    """Two feature maps with a box and a class predictor each, joined as those of an SSD are."""
    random = np.random.RandomState(5)

    def values(name: str, *shape: int) -> tf.Tensor:
        return tf.identity(tf.constant(random.normal(size=shape).astype(np.float32) * 0.4, name=name), f"{name}/read")

    def predicted(maps: tf.Tensor, name: str, depth: int) -> tf.Tensor:
        found = tf.nn.conv2d(maps, values(f"{name}/weights", 1, 1, maps.shape[-1], 3 * depth), 1, "SAME",
                             name=f"{name}/Conv2D")
        found = tf.nn.bias_add(found, values(f"{name}/biases", 3 * depth), name=f"{name}/BiasAdd")
        return tf.reshape(found, [tf.shape(maps)[0], -1, depth], name=f"{name}/Reshape")

    with tf.Graph().as_default() as graph:
        pictures = tf.placeholder(tf.uint8, [None, 16, 16, 3], name="images")
        start = tf.identity(tf.cast(pictures, tf.float32) / 127.5 - 1.0, name="start")
        conv = tf.nn.conv2d(start, values("first/weights", 3, 3, 3, 6), 2, "SAME", name="first/Conv2D")
        first = tf.nn.relu6(tf.nn.bias_add(conv, values("first/biases", 6), name="first/BiasAdd"), name="first/Relu6")
        deep = tf.nn.depthwise_conv2d_native(first, values("second/depthwise_weights", 3, 3, 6, 1), [1, 2, 2, 1],
                                             "SAME", name="second/depthwise")
        deep = tf.nn.bias_add(deep, values("second/biases", 6), name="second/BiasAdd")
        second = tf.nn.max_pool(tf.nn.relu6(deep, name="second/Relu6"), 2, 1, "SAME", name="second/MaxPool")
        maps = [first, second]
        tf.concat([predicted(m, f"box_{n}", 4) for n, m in enumerate(maps)], 1, name="boxes")
        tf.concat([predicted(m, f"class_{n}", 3) for n, m in enumerate(maps)], 1, name="classes")
    return Network(graph.as_graph_def(), ["start"], ["boxes", "classes"])
