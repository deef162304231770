"""How the values of tensors lie within ranges, in a network of two layers whose values are known."""

from typing import List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantizer, Symmetry
from quant_accuracy.reporting.document import distributions
from quant_accuracy.reporting.document.distributions import Distribution

_WEIGHT = np.array([[[[0.5, -2.0], [1.0, 4.0], [0.25, 0.0]]]], np.float32)


def _quantizer(tensor: str, kind: str) -> Quantizer:
    return Quantizer(f"{tensor}_quantized", tensor, kind, 8, Symmetry(), True, "")


@pytest.fixture(scope="module")
def found() -> List[Distribution]:
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.uint8, [1, 2, 2, 3], name="image")
        weight = tf.identity(tf.constant(_WEIGHT, name="weight"), name="weight/read")
        tf.nn.conv2d(tf.cast(image, tf.float32), weight, strides=1, padding="SAME", name="conv")
    images = [np.full([1, 2, 2, 3], value, np.uint8) for value in (0, 1, 2)]
    encodings = {"weight/read:0": (Encoding(-1.0, 4.0, 5 / 255, -51, 8),),
                 "conv:0": (Encoding(0.0, 3.0, 3 / 255, 0, 8),)}
    return distributions.measure(graph.as_graph_def(), [_quantizer("weight/read:0", PARAM),
                                                        _quantizer("conv:0", ACTIVATION)], encodings, "image", images)


def test_of_a_weight_the_range_of_each_output_channel_is_known(found: List[Distribution]) -> None:
    assert found[0].channels == [(0.25, 1.0), (-2.0, 4.0)]
    assert (found[0].low, found[0].high) == (-2.0, 4.0)
    # One of its six values lies below the range.
    assert [found[0].below, found[0].above] == pytest.approx([1 / 6, 0.0])


def test_of_an_activation_the_values_on_all_images_count(found: List[Distribution]) -> None:
    # Both channels see 0, 1 and 2 times the sums 1.75 and 2 of the weights, at every place.
    assert (found[1].low, found[1].high) == (0.0, 4.0)
    assert found[1].above == pytest.approx(2 / 6)
    assert found[1].channels == []


def test_shares_add_up_and_each_lies_in_its_part(found: List[Distribution]) -> None:
    values = [0.0, 0.0, 1.75, 2.0, 3.5, 4.0]
    counts, _ = np.histogram(values, distributions.BUCKETS, (0.0, 4.0))

    assert found[1].shares == pytest.approx((counts / 6).tolist())
    assert all(sum(item.shares) == pytest.approx(1.0) for item in found)


def test_of_many_channels_neighbours_share_a_range() -> None:
    weight = np.arange(1000, dtype=np.float32).reshape(1, 1, 1, 1000)
    channels = distributions._channels(weight, 3)

    assert len(channels) == distributions.CHANNELS
    assert (channels[0][0], channels[-1][1]) == (0.0, 999.0)
    assert all(one[1] < other[0] for one, other in zip(channels, channels[1:]))
