"""Bias correction of networks, against AIMET 1.19.1 and against what quantized networks then give."""

from dataclasses import replace
from typing import Dict, List, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import fidelity
from quant_accuracy.base.errors import DataError
from quant_accuracy.folding import fold
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import PARAM, Override, Quantization, Settings
from quant_accuracy.repair.bias_correction import correct, statistics
from quant_accuracy.repair.bias_correction.correct import ANALYTICAL, EMPIRICAL
from tests.conftest import Run
from tests.support.places import REFERENCE

_START = "FeatureExtractor/MobilenetV2/MobilenetV2/input"
_FOUR_BITS = Settings(param_bitwidth=4)


def _weights_quantized(network: Network, settings: Settings) -> Quantization:
    quantizers = [replace(quantizer, enabled=quantizer.enabled and quantizer.kind == PARAM)
                  for quantizer in placement.place_quantizers(network, settings)]
    return Quantization(quantizers, calibrate.calibrate_params(network.graph, quantizers, settings))


def _net() -> Tuple[Network, Network, Dict[str, statistics.Statistics]]:
    """Normal noise -> conv -> batch norm -> relu6 -> depthwise -> batch norm -> [conv] + -> conv -> dense.

    The moving statistics of both batch norms are those of the noise, so that channels behind them have the mean beta
    and the deviation gamma. Before folding, folded, and what folding knows of channels.
    """
    random = np.random.RandomState(5)

    def values(*shape: int, scale: float = 0.5) -> tf.Tensor:
        return tf.constant(random.normal(size=shape).astype(np.float32) * scale)

    def norm(tensor: tf.Tensor, mean: np.ndarray, variance: np.ndarray, name: str) -> tf.Tensor:
        gamma, beta = random.uniform(0.5, 1.5, size=6), random.uniform(-1, 4, size=6)
        return tf.nn.fused_batch_norm(tensor, *(tf.constant(np.float32(value)) for value in (gamma, beta, mean,
                                                variance)), epsilon=1e-3, is_training=False, name=name)[0]

    def build(seen: List[Tuple[np.ndarray, np.ndarray]]) -> tf.GraphDef:
        random.seed(5)
        with tf.Graph().as_default() as graph:
            start = tf.identity(tf.placeholder(tf.float32, [None, 9, 9, 5], name="noise"), name="start")
            first = tf.nn.conv2d(start, values(1, 1, 5, 6), 1, "VALID", name="first")
            first = tf.nn.relu6(norm(first, *seen[0], "first/norm"), name="first/Relu6")
            deep = tf.nn.depthwise_conv2d_native(first, values(3, 3, 6, 1), [1] * 4, "VALID", name="deep")
            deep = norm(tf.nn.bias_add(deep, values(6), name="deep/BiasAdd"), *seen[1], "deep/norm")
            joined = tf.add(deep, first[:, 1:-1, 1:-1], name="joined")
            third = tf.nn.bias_add(tf.nn.conv2d(deep, values(1, 1, 6, 4), 1, "VALID", name="third"), values(4),
                                   name="third/BiasAdd")
            fourth = tf.nn.bias_add(tf.nn.conv2d(joined, values(1, 1, 6, 4), 1, "VALID", name="fourth"), values(4),
                                    name="fourth/BiasAdd")
            tf.concat([third, fourth], 3, name="end")
        return graph.as_graph_def()

    seen = [(np.zeros(6), np.ones(6))] * 2
    for number, tensor in enumerate(("first:0", "deep/BiasAdd:0")):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.import_graph_def(build(seen), name="")
            found = session.run(tensor, {"noise:0": _noise(1000)}).astype(np.float64)
        seen[number] = (found.mean(axis=(0, 1, 2)), found.var(axis=(0, 1, 2)) - 1e-3)
    network = Network(build(seen), "start", ["end"])
    folded = fold.fold_batch_norms(network)
    return network, replace(network, graph=folded.graph), statistics.of_folded(network.graph, folded.folded)


def _noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=[count, 9, 9, 5]).astype(np.float32)


def test_corrected_biases_of_the_reference_network_are_those_of_aimet(reference: fidelity.Reference) -> None:
    aimet = np.load(str(REFERENCE / "aimet_repair" / "bias_correction.npz"), allow_pickle=False)
    images = np.load(str(REFERENCE / "aimet_network" / "images.npz"), allow_pickle=False)["images"]
    network = Network(reference.folded.graph, _START, fidelity.OUTPUTS)

    found = correct.correct_empirically(network, _weights_quantized(network, Settings()), "image_tensor",
                                                [image[None] for image in images[:8]])

    before, after = (graph_nodes.by_name(graph) for graph in (network.graph, found.graph))
    assert {f"network/bc_e/{item.layer}" for item in found.corrections} \
        == {name for name in aimet.files if name.startswith("network/bc_e/")}
    assert not found.left
    for item in found.corrections:
        old, wanted = (aimet[f"network/{which}/{item.layer}"] for which in ("before", "bc_e"))
        np.testing.assert_allclose(graph_nodes.constant(before, item.bias), old, rtol=1e-5, atol=1e-6)
        # Means of float32 activations behind dozens of layers; corrections are a thousand times as large.
        np.testing.assert_allclose(graph_nodes.constant(after, item.bias), wanted, rtol=1e-6, atol=4e-6)
        assert item.largest == pytest.approx(np.abs(wanted - old).max(), abs=2e-5)


def test_each_layer_of_the_corrected_network_has_the_means_of_the_float_one(run_graph: Run) -> None:
    _, network, _ = _net()
    quantization, noise = _weights_quantized(network, _FOUR_BITS), _noise(40)

    found = correct.correct_empirically(network, quantization, "noise", [noise[:20], noise[20:]])

    quantized, tensors = simulate.simulate(found.graph, quantization), ["third/BiasAdd:0", "fourth/BiasAdd:0"]
    for values, wanted, old in zip(run_graph(quantized, tensors, {"noise:0": noise}),
                                   run_graph(network.graph, tensors, {"noise:0": noise}),
                                   run_graph(simulate.simulate(network.graph, quantization), tensors,
                                             {"noise:0": noise})):
        shift = np.abs((values - wanted).mean(axis=(0, 1, 2), dtype=np.float64)).max()
        assert shift < 1e-5
        assert np.abs((old - wanted).mean(axis=(0, 1, 2), dtype=np.float64)).max() > 1000 * shift


def test_the_analytical_correction_is_the_empirical_one_where_channels_are_normal() -> None:
    _, network, known = _net()
    quantization = _weights_quantized(network, _FOUR_BITS)
    old = graph_nodes.by_name(network.graph)

    # The clipped channels that `deep` and `fourth` read are those of normal ones before.
    analytical = correct.correct_analytically(network, quantization, known)
    (deep,) = [item for item in analytical.corrections if item.layer == "deep"]
    empirical = correct.correct_empirically(network, quantization, "noise", [_noise(1000, 1)], only=["deep"])

    found, wanted = (graph_nodes.constant(graph_nodes.by_name(graph), deep.bias)
                     for graph in (analytical.graph, empirical.graph))
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted - graph_nodes.constant(old, deep.bias)).max()


def test_layers_without_a_batch_norm_in_front_are_left_to_images_with_their_reason() -> None:
    _, network, known = _net()
    quantization = _weights_quantized(network, _FOUR_BITS)

    alone = correct.correct_analytically(network, quantization, known)
    both = correct.correct(network, quantization, known, "noise", [_noise(10)])

    assert [item.layer for item in alone.corrections] == ["deep", "third"]
    assert {item.layer: item.reason for item in alone.left} == {
        "first": "the means of Placeholder 'noise' do not follow from batch norms",
        "fourth": "the means of StridedSlice 'strided_slice' do not follow from batch norms"}
    assert {item.layer: item.method for item in both.corrections} == {
        "first": EMPIRICAL, "deep": ANALYTICAL, "third": ANALYTICAL, "fourth": EMPIRICAL}
    assert not both.left


def test_a_layer_whose_weights_are_not_quantized_is_left_and_named() -> None:
    _, network, _ = _net()
    settings = replace(_FOUR_BITS, overrides=(Override("Const*", enabled=False),))
    quantization = _weights_quantized(network, settings)
    assert not [quantizer for quantizer in quantization.enabled() if quantizer.kind == PARAM]

    found = correct.correct_empirically(network, quantization, "noise", [_noise(2)])

    assert found.graph == network.graph
    assert {item.layer for item in found.left} == {"first", "deep", "third", "fourth"}
    assert {item.reason for item in found.left} == {"its weights are not quantized"}


def test_no_images_are_an_error() -> None:
    _, network, _ = _net()

    with pytest.raises(DataError, match="no calibration images; raise --calibration-images"):
        correct.correct_empirically(network, _weights_quantized(network, _FOUR_BITS), "noise", [])
