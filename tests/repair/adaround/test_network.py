"""AdaRound of a small network: convolution, depthwise, two branches, dense."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.configuration import Configuration, ParamRule
from quant_accuracy.quantization.records import PARAM, Quantization, Settings
from quant_accuracy.repair.adaround import network as adaround
from quant_accuracy.repair.adaround.network import ADAM, Options, Result
from quant_accuracy.repair.adaround.rounding import Schedule

_OPTIONS = Options(positions=64)
_LAYERS = ["first", "depthwise", "project", "dense"]


def _network() -> Network:
    random = np.random.RandomState(5)

    def weights(name: str, *shape: int) -> tf.Tensor:
        fan_in = np.prod(shape[:-1]) if shape[-1] > 1 else np.prod(shape[:2])
        return tf.constant((random.randn(*shape) / np.sqrt(fan_in)).astype(np.float32), name=f"{name}_weights")

    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [None, 10, 10, 3], name="images")
        start = tf.identity(images, name="start")
        value = tf.nn.bias_add(tf.nn.conv2d(start, weights("first", 3, 3, 3, 8), 2, "SAME", name="first"),
                               tf.constant(random.randn(8).astype(np.float32), name="first_bias"))
        value = tf.nn.relu6(value)
        value = tf.nn.depthwise_conv2d_native(value, weights("depthwise", 3, 3, 8, 1), [1] * 4, "SAME",
                                              name="depthwise")
        value = tf.nn.relu(tf.nn.bias_add(value, tf.constant(random.randn(8).astype(np.float32),
                                                             name="depthwise_bias")))
        value = tf.nn.conv2d(value, weights("project", 1, 1, 8, 6), 1, "VALID", name="project")
        value = tf.matmul(tf.reshape(value, [-1, 150]), weights("dense", 150, 4), name="dense")
        tf.identity(value, name="end")
        return Network(graph.as_graph_def(), ["start"], ["end"])


def _images() -> List[np.ndarray]:
    random = np.random.RandomState(6)
    return [random.rand(2, 10, 10, 3).astype(np.float32) for _ in range(12)]


def _quantized(network: Network, images: List[np.ndarray], per_channel: bool = False) -> Quantization:
    settings = Settings("tf", param_bitwidth=4, configuration=Configuration(per_channel=per_channel))
    return calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings, "images", images)


@pytest.fixture(scope="module")
def rounded() -> Tuple[Network, Quantization, Result]:
    network = _network()
    quantization = _quantized(network, _images())
    return network, quantization, adaround.adaround(network, quantization, "images", _images(), _OPTIONS)


def _output(graph: tf.GraphDef, quantization: Quantization) -> np.ndarray:
    with sessions.open_session(graph) as session:
        (fetch,) = simulate.network_outputs(["end"], quantization)
        return np.concatenate([session.run(fetch, {"images:0": images}) for images in _images()])


def _grids(quantization: Quantization, result: Result) -> Quantization:
    return replace(quantization, encodings=result.encodings)


def test_the_simulated_network_is_nearer_to_float_than_with_nearest_rounding(
        rounded: Tuple[Network, Quantization, Result]) -> None:
    network, quantization, result = rounded

    wanted = _output(network.graph, Quantization([], {}))
    nearest, ours = (np.mean(np.square(_output(simulate.simulate(graph, grids), grids) - wanted))
                     for graph, grids in ((network.graph, quantization), (result.graph, _grids(quantization, result))))

    assert ours < 0.6 * nearest
    assert [layer.layer for layer in result.layers] == _LAYERS
    assert all(layer.error <= layer.nearest_error for layer in result.layers)
    assert all(layer.changed for layer in result.layers if layer.error < layer.nearest_error)


def test_simulation_takes_the_rounded_weights_as_they_are(rounded: Tuple[Network, Quantization, Result]) -> None:
    network, quantization, result = rounded
    simulated, before, after = (graph_nodes.by_name(graph) for graph in (
        simulate.quantize_weights(result.graph, _grids(quantization, result)), network.graph, result.graph))

    for name in _LAYERS:
        ours, (encoding,) = graph_nodes.constant(after, f"{name}_weights"), result.encodings[f"{name}_weights:0"]
        assert ours.tobytes() == graph_nodes.constant(simulated, f"{name}_weights").tobytes()
        # Up or down, and nowhere else.
        away = np.abs(ours - np.clip(graph_nodes.constant(before, f"{name}_weights"), encoding.minimum,
                                     encoding.maximum))
        assert away.max() < 1.001 * encoding.scale


def test_a_step_is_multiplied_by_one_of_the_factors_and_all_other_encodings_stay(
        rounded: Tuple[Network, Quantization, Result]) -> None:
    _, quantization, result = rounded
    factors = set()
    for tensor, (encoding,) in result.encodings.items():
        (before,) = quantization.encodings[tensor]
        if tensor in [layer.tensor for layer in result.layers]:
            factor = min(_OPTIONS.factors, key=lambda one: abs(encoding.scale / before.scale - one))
            factors.add(factor)
            before = replace(before, scale=before.scale * factor, minimum=before.minimum * factor,
                             maximum=before.maximum * factor)
        assert encoding == before

    assert len(factors) > 1


@pytest.mark.parametrize("biases", [True, False])
def test_what_is_no_rounded_weight_or_its_bias_stays(biases: bool) -> None:
    network = _network()
    quantization = _quantized(network, _images())

    result = adaround.adaround(network, quantization, "images", _images(), replace(_OPTIONS, biases=biases))

    changed = {*(f"{name}_weights" for name in _LAYERS), *(["first_bias", "depthwise_bias"] if biases else [])}
    for before, after in zip(network.graph.node, result.graph.node):
        assert (before == after) == (before.name not in changed)


def test_a_bias_with_a_quantizer_stays_as_its_grid_has_it() -> None:
    network = _network()
    settings = Settings("tf", param_bitwidth=4, configuration=Configuration(params={}))
    quantization = calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings, "images",
                                       _images())

    result = adaround.adaround(network, quantization, "images", _images(), _OPTIONS)

    assert {"first_bias:0", "depthwise_bias:0"} <= {quantizer.tensor for quantizer in quantization.enabled()}
    before, after = graph_nodes.by_name(network.graph), graph_nodes.by_name(result.graph)
    assert all(before[name] == after[name] for name in ("first_bias", "depthwise_bias"))
    assert [layer.layer for layer in result.layers] == _LAYERS


@pytest.mark.parametrize("params", [{}, {"bias": ParamRule(False)}], ids=["biases quantized", "biases float"])
def test_the_error_that_is_told_of_the_last_layer_is_that_of_the_simulation(params: Dict[str, ParamRule]) -> None:
    network = _network()
    settings = Settings("tf", param_bitwidth=4, configuration=Configuration(params=params))
    quantization = calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings, "images",
                                       _images())

    result = adaround.adaround(network, quantization, "images", _images(), _OPTIONS)

    simulated = simulate.simulate(result.graph, _grids(quantization, result))
    found, wanted = (np.concatenate([_dense(graph, images) for images in _images()])
                     for graph in (simulated, network.graph))
    assert result.layers[-1].error == pytest.approx(np.square(found - wanted).sum(axis=1).mean(), rel=1e-4)


def _dense(graph: tf.GraphDef, images: np.ndarray) -> np.ndarray:
    with sessions.open_session(graph) as session:
        return np.asarray(session.run("dense:0", {"images:0": images}))


def test_the_papers_training_is_to_be_had(rounded: Tuple[Network, Quantization, Result]) -> None:
    network, quantization, ours = rounded
    options = Options(ADAM, schedule=Schedule(iterations=200, batch=128), positions=64)

    papers = adaround.adaround(network, quantization, "images", _images(), options)

    assert [layer.layer for layer in papers.layers] == _LAYERS
    assert all(layer.error <= layer.nearest_error for layer in papers.layers)
    # The first layers of both see the same rows.
    assert ours.layers[0].error < 1.05 * papers.layers[0].error < papers.layers[0].nearest_error


@pytest.mark.parametrize(("options", "message"), [
    ({"method": "guess"}, "'guess' is no way to round; give descent or adam"),
    ({"sweeps": 0}, "cannot round in 0 sweeps .* give at least one of each"),
    ({"factors": ()}, "of a step; give at least one, each above 0"),
    ({"factors": (1.0, 0.0)}, "of a step; give at least one, each above 0"),
    ({"positions": 0}, "on 0 positions of an image; give at least one of each"),
])
def test_options_that_round_nothing_are_refused(options: Dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Options(**options)


def test_channels_may_have_grids_of_their_own() -> None:
    network = _network()
    quantization = _quantized(network, _images(), per_channel=True)

    result = adaround.adaround(network, quantization, "images", _images(), _OPTIONS)

    assert {quantizer.axis for quantizer in quantization.enabled() if quantizer.kind == PARAM} - {None}
    assert all(layer.error <= layer.nearest_error for layer in result.layers)
    assert any(layer.changed for layer in result.layers)


def test_a_second_call_goes_on_from_the_layers_that_are_kept(rounded: Tuple[Network, Quantization, Result],
                                                             tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    network, quantization, wanted = rounded
    first = adaround.adaround(network, quantization, "images", _images(), _OPTIONS, tmp_path)
    pieces = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    gone, damaged = sorted(pieces)[:2]
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:100])

    second = adaround.adaround(network, quantization, "images", _images(), _OPTIONS, tmp_path)

    assert len(pieces) == len(_LAYERS)
    assert "not readable" in capsys.readouterr().err
    assert {path for path in pieces if path.stat().st_mtime_ns != pieces[path]} == {gone, damaged}
    assert first == second == wanted


def test_results_do_not_depend_on_the_number_of_cores(rounded: Tuple[Network, Quantization, Result]) -> None:
    network, quantization, wanted = rounded

    with concurrency.limited_to(1):
        assert adaround.adaround(network, quantization, "images", _images(), _OPTIONS) == wanted


def test_other_options_do_not_take_what_is_kept(rounded: Tuple[Network, Quantization, Result], tmp_path: Path) -> None:
    network, quantization, _ = rounded
    for seed in (0, 1):
        adaround.adaround(network, quantization, "images", _images(),
                          Options(sweeps=1, positions=4, seed=seed), tmp_path)

    assert len(list(tmp_path.iterdir())) == 2 * len(_LAYERS)


def test_weights_that_two_ops_read_are_left_out_with_the_reason() -> None:
    images = [np.ones((1, 4, 4, 2), np.float32)]
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [None, 4, 4, 2], name="images"), name="start")
        weights = tf.constant(np.random.RandomState(0).randn(1, 1, 2, 2).astype(np.float32), name="weights")
        value = tf.nn.relu(tf.nn.conv2d(start, weights, 1, "SAME", name="one"))
        tf.identity(tf.nn.conv2d(value, weights, 1, "SAME", name="two"), name="end")
        network = Network(graph.as_graph_def(), ["start"], ["end"])
    quantization = _quantized(network, images)

    result = adaround.adaround(network, quantization, "images", images, _OPTIONS)

    assert not result.layers
    assert [(left.tensor, "2 ops read it" in left.reason) for left in result.left_out] == [("weights:0", True)]


def test_no_images_are_an_error_with_a_remedy(rounded: Tuple[Network, Quantization, Result]) -> None:
    network, quantization, _ = rounded

    with pytest.raises(DataError, match="no calibration images; raise"):
        adaround.adaround(network, quantization, "images", [], _OPTIONS)
