"""Equalization that keeps the float function: on a small network whose ReLU6 clips, and on a badly scaled detector."""

from dataclasses import replace
from typing import List, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks.fidelity import Reference
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.base.words import KEEP
from quant_accuracy.folding import fold
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import Settings
from quant_accuracy.repair.equalization import equalize, exact, verification
from quant_accuracy.repair.equalization.equalize import Equalized
from tests.support import repair

# What W8A8 gives for the network that is not badly scaled, in dB, by held-out image: AIMET 1.19.1.
_UNSPOILED = [[16.62, 15.9, 19.2, 25.51], [31.63, 30.69, 30.11, 36.21]]


def _clipping(low: float = -1.0, high: float = 1.0) -> Network:
    """Expansion -> ReLU6 -> depthwise -> ReLU6 -> projection, channels scaled from 10^low to 10^high."""
    random = np.random.RandomState(0)

    def values(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    spread = np.logspace(low, high, 8).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="image_tensor"), name="start")
        x = tf.nn.bias_add(tf.nn.conv2d(x, values(1, 1, 3, 8) * spread, 1, "SAME", name="expand"), values(8))
        x = tf.nn.depthwise_conv2d_native(tf.nn.relu6(x, name="first"), values(3, 3, 8, 1), [1] * 4, "SAME",
                                          name="depthwise")
        x = tf.nn.relu6(tf.nn.bias_add(x, values(8)), name="second")
        x = tf.nn.conv2d(x, values(1, 1, 8, 4) / spread[:, np.newaxis], 1, "SAME", name="project")
        tf.nn.bias_add(x, values(4), name="end")
    return Network(graph.as_graph_def(), "start", ["end"])


def _images(size: float = 1.0, seed: int = 0) -> List[np.ndarray]:
    random = np.random.RandomState(seed)
    return [(random.normal(size=(2, 8, 8, 3)) * size).astype(np.float32) for _ in range(3)]


def test_a_clip_for_each_channel_keeps_the_function_far_outside_of_what_calibration_saw() -> None:
    network = _clipping()

    found = equalize.equalize(network, "image_tensor", _images())

    assert found.difference < 1e-6
    assert verification.difference(network.graph, found.graph, ["end"], "image_tensor", _images(50.0, 1)) < 1e-6
    assert any((factors < 0.9).any() for factors in found.factors)


def test_to_keep_relu6_no_channel_is_moved_near_to_the_clip_and_none_that_is_clipped_is_scaled() -> None:
    network = _clipping()

    found = equalize.equalize(network, "image_tensor", _images(), relu6=KEEP)

    types = {node.name: node.op for node in found.graph.node}
    assert types == {node.name: node.op for node in network.graph.node}
    assert found.difference < 1e-6
    assert found.overrides == ()
    before = [np.concatenate([part[0] for part in repair.run(network.graph, [name], _images())])
              for name in ("BiasAdd", "BiasAdd_1")]
    for values, factors in zip(before, found.factors):
        reach = values.max(axis=(0, 1, 2)) * (1 + equalize.HEADROOM)
        assert (factors[reach >= 6] == 1).all()
        assert (reach[reach < 6] / factors[reach < 6] <= 6 + 1e-6).all()
        assert (factors != 1).any()


def test_a_clip_is_quantized_once_under_the_name_that_the_relu6_had() -> None:
    network = _clipping()
    found = equalize.equalize(network, "image_tensor", _images())

    quantizers = placement.place_quantizers(replace(network, graph=found.graph),
                                            replace(Settings(), overrides=found.overrides))

    enabled = {quantizer.tensor for quantizer in quantizers if quantizer.enabled}
    before = {quantizer.tensor for quantizer in placement.place_quantizers(network, Settings()) if quantizer.enabled}
    assert enabled == before
    assert {"first:0", "second:0"} <= enabled


def test_a_network_that_has_been_equalized_stays_as_it_is() -> None:
    network = _clipping()
    once = equalize.equalize(network, "image_tensor", _images())

    twice = equalize.equalize(replace(network, graph=once.graph), "image_tensor", _images())

    assert [space.writers for space in twice.spaces] == [space.writers for space in once.spaces]
    for factors in twice.factors:
        np.testing.assert_allclose(factors, 1, rtol=1e-3)


def _linear(padded: bool) -> Network:
    random = np.random.RandomState(0)
    size = 3 if padded else 1
    with tf.Graph().as_default() as graph:
        x = tf.identity(tf.placeholder(tf.float32, [None, 8, 8, 3], name="image_tensor"), name="start")
        x = tf.nn.conv2d(x, random.normal(size=(1, 1, 3, 6)).astype(np.float32), 1, "SAME", name="one")
        x = tf.nn.bias_add(x, np.arange(6, dtype=np.float32) * 10, name="middle")
        x = tf.nn.conv2d(x, random.normal(size=(size, size, 6, 4)).astype(np.float32), 1, "SAME", name="two")
        tf.nn.bias_add(x, random.normal(size=4).astype(np.float32), name="end")
    return Network(graph.as_graph_def(), "start", ["end"])


@pytest.mark.parametrize("padded", [False, True])
def test_high_biases_without_an_activation_are_absorbed_where_no_border_is_padded(padded: bool) -> None:
    network = _linear(padded)

    found = equalize.equalize(network, "image_tensor", _images())

    assert list(found.absorbed) == ([] if padded else [0])
    assert verification.difference(network.graph, found.graph, ["end"], "image_tensor", _images(9.0, 1)) < 1e-5
    values = np.concatenate([part[0] for part in repair.run(found.graph, ["middle"], _images())])
    low, high = values.min(axis=(0, 1, 2)), values.max(axis=(0, 1, 2))
    assert np.allclose(low, -high, rtol=1e-3) != padded


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(ConfigurationError, match="give clip or keep"):
        equalize.equalize(_clipping(), "image_tensor", _images(), relu6="replace")
    with pytest.raises(DataError, match="there are no calibration images"):
        equalize.equalize(_clipping(), "image_tensor", [])


class _Repaired(NamedTuple):
    """The badly scaled detector, folded, and what equalization made of it."""

    network: Network
    found: Equalized


@pytest.fixture(scope="module")
def repaired(reference: Reference) -> _Repaired:
    bad = Network(repair.badly_scaled(reference.graph), repair.START, repair.OUTPUTS)
    network = replace(bad, graph=fold.fold_batch_norms(bad).graph)
    return _Repaired(network, equalize.equalize(network, "image_tensor", repair.images()[:8]))


def test_a_badly_scaled_detector_keeps_its_float_outputs_on_images_that_calibration_did_not_see(
        repaired: _Repaired, reference: Reference) -> None:
    apart = verification.difference(reference.folded.graph, repaired.found.graph, repair.OUTPUTS, "image_tensor",
                                    repair.images()[8:])

    assert apart < verification.ROUNDING
    assert repaired.found.difference < verification.ROUNDING
    assert repaired.found.moved <= exact.STILL


def test_all_layers_of_a_detector_but_those_of_its_outputs_are_equalized(repaired: _Repaired) -> None:
    assert {left.layer.split("/")[0] for left in repaired.found.left} == {f"BoxPredictor_{n}" for n in range(6)}
    assert len(repaired.found.left) == 12


def test_a_badly_scaled_detector_quantizes_as_well_as_before_it_was_badly_scaled(
        repaired: _Repaired, reference: Reference) -> None:
    settings = replace(Settings(), overrides=repaired.found.overrides)
    network, images = replace(repaired.network, graph=repaired.found.graph), repair.images()
    quantization = calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings,
                                       "image_tensor", images[:8])
    simulation = simulate.simulate(network.graph, quantization)
    found = repair.run(simulation, simulate.network_outputs(repair.OUTPUTS, quantization), images[8:])
    expected = repair.run(reference.folded.graph, repair.OUTPUTS, images[8:])

    for output, unspoiled in enumerate(_UNSPOILED):
        decibels = [10 * np.log10(np.square(one[output]).sum() / np.square(one[output] - other[output]).sum())
                    for one, other in zip(expected, found)]
        # Kernels of another machine turn single roundings, and with them up to some dB of an image; not of all.
        assert np.mean(decibels) > np.mean(unspoiled) - 1
        assert min(np.subtract(decibels, unspoiled)) > -3
    assert graph_nodes.by_name(network.graph).keys() >= graph_nodes.by_name(repaired.network.graph).keys()
