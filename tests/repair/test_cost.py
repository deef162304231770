"""The cost of bit widths, counted by hand and by TensorFlow's profiler."""

from dataclasses import replace
from typing import List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import fidelity
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import Override, Quantizer, Settings
from quant_accuracy.repair import cost
from tests.support.networks import random_images, small_quantized

_SMALL = small_quantized()
_NETWORK = Network.of(_SMALL.graph, _SMALL.names)
# [height, width, inputs, outputs] of kernels, and values of activations of 8 x 8 positions.
_FIRST, _DEEP, _END = 3 * 3 * 3 * 6, 3 * 3 * 6, 6 * 4
_PRODUCTS = {"a/Conv2D": 64 * _FIRST, "b/depthwise": 64 * _DEEP, "end": 64 * _END}


def _placed(*overrides: Override, bits: int = 8) -> List[Quantizer]:
    return placement.place_quantizers(_NETWORK, Settings(param_bitwidth=bits, output_bitwidth=bits,
                                                         overrides=tuple(overrides)))


@pytest.fixture(scope="module")
def sizes() -> cost.Sizes:
    return cost.measure(_NETWORK, _placed(), "images", random_images(1)[0])


def test_sizes_are_those_counted_by_hand(sizes: cost.Sizes) -> None:
    assert sorted(sizes.weights.values()) == sorted([_FIRST, _DEEP, _END])
    assert sizes.activations == {"a/Relu6:0": 64 * 6, "b/BiasAdd:0": 64 * 6, "middle:0": 64 * 6, "end:0": 64 * 4}
    assert {layer.name: layer.products for layer in sizes.layers} == _PRODUCTS
    assert {layer.name: (layer.inputs, layer.otherwise) for layer in sizes.layers} == {
        "a/Conv2D": ((), 8), "b/depthwise": (("a/Relu6:0",), 0), "end": (("middle:0",), 0)}


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_everything_at_the_same_bits_costs_those(sizes: cost.Sizes, bits: int) -> None:
    found = cost.of(sizes, _placed(bits=bits))

    first, others = _PRODUCTS["a/Conv2D"], _PRODUCTS["b/depthwise"] + _PRODUCTS["end"]
    assert found[:2] == (bits, bits)
    # The first layer takes pixels, which stay as they are.
    assert found.bit_operations == pytest.approx((first * 8 * bits + others * bits ** 2) / (64 * (first + others)))


def test_a_weight_and_an_activation_with_more_bits_count_by_their_sizes(sizes: cost.Sizes) -> None:
    deep = next(layer.weights for layer in sizes.layers if layer.name == "b/depthwise")

    found = cost.of(sizes, _placed(Override(deep, bitwidth=16), Override("middle:0", bitwidth=16)))

    assert found.weight_bits == pytest.approx((8 * (_FIRST + _END) + 16 * _DEEP) / (_FIRST + _DEEP + _END))
    assert found.activation_bits == pytest.approx((8 * 64 * 16 + 16 * 64 * 6) / (64 * 22))
    total = sum(_PRODUCTS.values())
    assert found.bit_operations == pytest.approx(1 + (_PRODUCTS["b/depthwise"] + _PRODUCTS["end"]) / total)


def test_what_an_override_switches_off_counts_as_float() -> None:
    placed = _placed(Override("middle:0", enabled=False))
    sizes = cost.measure(_NETWORK, placed, "images", random_images(1)[0])

    found = cost.of(sizes, placed)

    assert found.activation_bits == pytest.approx((8 * 64 * 16 + 32 * 64 * 6) / (64 * 22))
    assert found.bit_operations == pytest.approx(1 + 3 * _PRODUCTS["end"] / sum(_PRODUCTS.values()))


def test_products_of_a_detector_are_those_that_tensorflow_counts(reference: fidelity.Reference) -> None:
    network = Network(reference.folded.graph, "FeatureExtractor/MobilenetV2/MobilenetV2/input", fidelity.OUTPUTS)
    sizes = cost.measure(network, placement.place_quantizers(network, Settings()), "image_tensor",
                         np.zeros([1, 300, 300, 3], np.uint8))
    start = tf.GraphDef()
    start.CopyFrom(tf.graph_util.extract_sub_graph(network.graph, list(fidelity.OUTPUTS)))
    with tf.Graph().as_default() as graph:
        pictures = tf.zeros([1, 300, 300, 3])
        tf.import_graph_def(start, {network.starts[0] + ":0": pictures}, name="")
        run_metadata = tf.RunMetadata()
        options = {**tf.profiler.ProfileOptionBuilder.float_operation(), "output": "none", "account_type_regexes":
                   ["Conv2D", "DepthwiseConv2dNative"]}
        flops = tf.profiler.profile(graph, run_metadata, cmd="scope", options=options).total_float_ops

    found = cost.of(sizes, placement.place_quantizers(network, Settings()))

    assert 2 * sum(layer.products for layer in sizes.layers) == flops
    assert replace(sizes, layers=()) != sizes
    assert found == (8, 8, 1)


def test_what_a_loop_computes_is_not_counted_and_half_precision_is() -> None:
    def kernel(dtype: np.dtype) -> tf.Tensor:
        return tf.constant(np.random.RandomState(0).normal(size=[3, 3, 3, 3]).astype(dtype))

    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        weights = kernel(np.float32)
        _, looped = tf.while_loop(lambda count, _: count < 2, lambda count, y: [
            count + 1, tf.nn.conv2d(y, weights, 1, "SAME")], [0, start])
        halved = tf.nn.conv2d(tf.cast(looped, tf.float16), kernel(np.float16), 1, "SAME", name="half/Conv2D")
        tf.cast(halved, tf.float32, name="end")
    network = Network(graph.as_graph_def(), "start", ["end"])

    found = cost.measure(network, placement.place_quantizers(network, Settings()), "images",
                         np.zeros([1, 8, 8, 3], np.float32))

    assert {layer.name: layer.products for layer in found.layers} == {"half/Conv2D": 64 * 81}
