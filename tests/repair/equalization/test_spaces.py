"""Channels that layers share, in small networks of every kind of link."""

from typing import Callable, Dict, List, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph.network import Network
from quant_accuracy.repair.equalization import rescaling, spaces
from quant_accuracy.repair.equalization.spaces import Spaces
from tests.support import repair

_CHANNELS = 6


def _values(*shape: int) -> np.ndarray:
    return np.random.RandomState(sum(shape)).normal(size=shape).astype(np.float32)


def _conv(x: tf.Tensor, name: str, channels: int = _CHANNELS, size: int = 1, stride: int = 1) -> tf.Tensor:
    kernel = tf.constant(_values(size, size, int(x.shape[3]), channels), name=f"{name}/weights")
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, "SAME", name=name), tf.constant(_values(channels)))


def _depthwise(x: tf.Tensor, name: str, multiplier: int = 1) -> tf.Tensor:
    kernel = tf.constant(_values(3, 3, int(x.shape[3]), multiplier))
    x = tf.nn.depthwise_conv2d_native(x, kernel, [1] * 4, "SAME", name=name)
    return tf.nn.bias_add(x, tf.constant(_values(int(x.shape[3]))))


def _dense(x: tf.Tensor, name: str, transposed: bool = False) -> tf.Tensor:
    shape = (5, int(x.shape[1])) if transposed else (int(x.shape[1]), 5)
    return tf.matmul(x, tf.constant(_values(*shape)), transpose_b=transposed, name=name)


def _residual(x: tf.Tensor) -> tf.Tensor:
    first = _conv(x, "one")
    return _conv(first + _conv(tf.nn.relu(_conv(first, "two", 5)), "three"), "four")


def _branches(x: tf.Tensor) -> tf.Tensor:
    x = tf.nn.relu(_conv(x, "one"))
    return _conv(x, "two") + _conv(x, "three")


def _prelu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.relu(x) + tf.constant(_values(_CHANNELS)) * -tf.nn.relu(-x)


def _transposed(x: tf.Tensor) -> tf.Tensor:
    x = tf.nn.relu(_conv(x, "one"))
    x = tf.nn.conv2d_transpose(x, tf.constant(_values(2, 2, 5, _CHANNELS)), [2, 16, 16, 5], 2, name="two")
    return _conv(tf.nn.relu(x), "three")


_Layers = List[Tuple[List[str], List[str]]]
_NETWORKS: Dict[str, Tuple[Callable[[tf.Tensor], tf.Tensor], _Layers]] = {
    "pair": (lambda x: _conv(tf.nn.relu(_conv(x, "one")), "two"), [(["one"], ["two"])]),
    "pair without an activation": (lambda x: _conv(_conv(x, "one"), "two"), [(["one"], ["two"])]),
    "triple": (lambda x: _conv(tf.nn.relu6(_depthwise(tf.nn.relu6(_conv(x, "one")), "two")), "three"),
               [(["one"], ["two"]), (["two"], ["three"])]),
    "depthwise with a multiplier": (lambda x: _conv(tf.nn.relu(_depthwise(_conv(x, "one"), "two", 2)), "three"),
                                    [(["one"], ["two"]), (["two"], ["three"])]),
    "residual": (_residual, [(["one", "three"], ["two", "four"]), (["two"], ["three"])]),
    "branches": (_branches, [(["one"], ["two", "three"])]),
    "pooling and padding": (
        lambda x: _conv(tf.pad(tf.nn.max_pool(tf.nn.leaky_relu(_conv(x, "one")), 2, 2, "SAME"),
                               [[0, 0], [1, 1], [1, 1], [0, 0]]), "two", size=3), [(["one"], ["two"])]),
    "PReLU": (lambda x: _conv(_prelu(_conv(x, "one")), "two"), [(["one"], ["two"])]),
    "maximum with what no layer gives": (lambda x: _conv(tf.maximum(_conv(x, "one"), x[0, 0, 0, 0]), "two"), []),
    "clip by channel": (lambda x: _conv(tf.minimum(tf.nn.relu(_conv(x, "one")), np.full(_CHANNELS, 0.5, np.float32)),
                                        "two"), [(["one"], ["two"])]),
    "transposed convolution": (_transposed, [(["one"], ["two"]), (["two"], ["three"])]),
    "dense ops": (lambda x: _dense(_dense(tf.reduce_mean(tf.nn.relu(_conv(x, "one")), [1, 2]), "two"), "three", True),
                  [(["one"], ["two"]), (["two"], ["three"])]),
    "sigmoid": (lambda x: _conv(tf.sigmoid(_conv(x, "one")), "two"), []),
}


def _built(build: Callable[[tf.Tensor], tf.Tensor]) -> Network:
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.placeholder(tf.float32, [2, 8, 8, 3], name="image_tensor"), name="start")
        tf.identity(build(x), name="end")
    return Network(graph.as_graph_def(), "start", ["end"])


@pytest.mark.parametrize("name", list(_NETWORKS))
def test_spaces_have_all_layers_that_share_channels_and_scaling_them_keeps_the_function(name: str) -> None:
    build, expected = _NETWORKS[name]
    network = _built(build)
    found = spaces.find(network)

    assert [(sorted(space.writers), sorted(space.readers)) for space in found.spaces] \
        == [(sorted(writers), sorted(readers)) for writers, readers in expected]
    random = np.random.RandomState(1)
    factors = [np.exp(random.uniform(-2, 2, size=space.channels)) for space in found.spaces]
    graph = rescaling.rescale(network.graph, found, factors)
    graph, _ = rescaling.clip(graph, rescaling.clips(found.spaces, factors))
    images = [random.normal(size=(2, 8, 8, 3)).astype(np.float32) * 4]
    before, after = (repair.run(one, ["end"], images)[0][0] for one in (network.graph, graph))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5 * np.abs(before).max())
    assert expected == [] or (graph != network.graph)


def _reason(found: Spaces, layer: str) -> str:
    (left,) = [left for left in found.left if left.layer == layer]
    return left.reason


def test_every_layer_is_in_a_space_or_left_with_a_reason() -> None:
    found = spaces.find(_built(lambda x: _conv(tf.sigmoid(_conv(tf.nn.relu(_conv(x, "one")), "two")), "three")))

    assert {name for space in found.spaces for name in space.writers} == {"one"}
    assert "Sigmoid 'Sigmoid' reads it" in _reason(found, "two")
    assert "'end' gives an output" in _reason(found, "three")


def test_a_layer_that_no_layer_is_behind_has_none_to_be_equalized_with() -> None:
    network = _built(lambda x: tf.sigmoid(_conv(tf.sigmoid(_conv(x, "one")), "two")))

    before = spaces.before_layers(network)

    assert ("one" in before, "two" in before) == (True, False)


def test_layers_in_a_loop_are_left() -> None:
    def looped(x: tf.Tensor) -> tf.Tensor:
        kernels = [tf.constant(_values(1, 1, 3, 3)) for _ in range(2)]

        def step(count: tf.Tensor, y: tf.Tensor) -> List[tf.Tensor]:
            inner = tf.nn.relu(tf.nn.conv2d(y, kernels[0], 1, "SAME", name="inner"))
            return [count + 1, tf.nn.conv2d(inner, kernels[1], 1, "SAME", name="outer")]

        return tf.while_loop(lambda count, _: count < 2, step, [0, x])[1]

    found = spaces.find(_built(looped))

    assert found.spaces == ()
    assert _reason(found, "while/inner") == "'while/inner' is in a loop or in a branch"


def test_channels_that_are_added_to_an_input_of_the_network_stay() -> None:
    found = spaces.find(_built(lambda x: _conv(x + _conv(x, "one", 3), "two")))

    assert "starting op 'start'" in _reason(found, "one")


def test_a_kernel_that_two_layers_share_is_not_scaled() -> None:
    def shared(x: tf.Tensor) -> tf.Tensor:
        kernel = tf.constant(_values(1, 1, 3, 3))
        return tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME", name="one")), kernel, 1, "SAME", name="two")

    assert "another op reads them too" in _reason(spaces.find(_built(shared)), "one")


def test_a_grouped_convolution_that_takes_fewer_channels_than_there_are_is_left() -> None:
    def grouped(x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.relu(_conv(x, "one"))
        return tf.nn.conv2d(x, tf.constant(_values(1, 1, 3, 4)), 1, "SAME", name="two")

    try:
        network = _built(grouped)
    except ValueError:
        pytest.skip("this TensorFlow builds no grouped convolutions")
    assert "different numbers of channels (3, 6)" in _reason(spaces.find(network), "one")
