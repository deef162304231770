"""Encodings of weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import OPENVINO, TENSORFLOW
from quant_accuracy.graph import computed
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import PARAM, SCHEMES, Override, Quantization, Quantizer, Settings, Symmetry
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.execution import Execution
from tests.support.configurations import DEFAULT, loaded, place
from tests.support.networks import VALUES, constant, random_images, small_quantized, weighted


def test_weights_that_change_are_an_error_whose_remedy_works() -> None:
    def switched(_: tf.Tensor) -> tf.Tensor:
        other = tf.placeholder_with_default(np.bool_(False), [], name="training")
        return tf.cond(other, lambda: tf.constant(VALUES), lambda: 2.0 * tf.constant(VALUES), name="switched")

    graph = computed.store_weights(Network(weighted(switched), "start", ["end"]))
    with pytest.raises(GraphError, match="weights that change") as caught:
        calibrate.calibrate_params(graph, placement.place_quantizers(Network(graph, "start", ["end"]), Settings()),
                                   Settings())
    (written,) = re.findall(r"set (quantization: .*) in the model card", str(caught.value))
    (tensor, how), = yaml.safe_load(f"{{{written}}}")["quantization"]["overrides"].items()

    settings = Settings(overrides=(Override(tensor, **how),))
    placed = placement.place_quantizers(Network(graph, "start", ["end"]), settings)

    assert calibrate.calibrate_params(graph, placed, settings) == {}
    assert simulate.quantize_weights(graph, Quantization(placed, {})) == graph


def test_per_channel_weights_have_a_grid_for_each_output_channel(tmp_path: Path, network: tf.GraphDef) -> None:
    changes = {"defaults": {**DEFAULT["defaults"], "per_channel_quantization": "True"}}
    placed = place(network, loaded(tmp_path, **changes))

    found = calibrate.calibrate_params(network, placed, Settings(param_bitwidth=8))
    quantized = simulate.quantize_weights(network, Quantization(placed, found))

    assert {q.tensor: len(found[q.tensor]) for q in placed if q.enabled and q.kind == PARAM} == {
        "first/weights:0": 4, "deep/weights:0": 4, "dense/weights:0": 5}
    for name, axis in (("first/weights", 3), ("deep/weights", 2), ("dense/weights", 1)):
        before, after = (np.moveaxis(constant(graph, name), axis, 0) for graph in (network, quantized))
        for channel, encoding in enumerate(found[name + ":0"]):
            # Half a step, and what float32 loses.
            assert np.abs(before[channel] - after[channel]).max() <= 0.501 * encoding.scale


@pytest.mark.parametrize("scheme", SCHEMES)
def test_encodings_that_openvino_observes_are_those_of_tensorflow(scheme: str) -> None:
    graph, pictures = small_quantized().graph, random_images(6)
    settings = Settings(scheme)
    placed = placement.place_quantizers(Network(graph, "start", ["middle", "end"]), settings)
    found, wanted = (calibrate.calibrate(graph, placed, settings, "images", pictures,
                                         execution=Execution(choice.of_name(name), ["start"])).encodings
                     for name in (OPENVINO, TENSORFLOW))

    assert found.keys() == wanted.keys()
    for tensor, (one,) in wanted.items():
        assert (found[tensor][0].minimum, found[tensor][0].maximum) == pytest.approx(
            (one.minimum, one.maximum), abs=1e-5 * (one.maximum - one.minimum))


def test_a_percentile_of_100_is_scheme_tf_for_weights_and_a_smaller_one_clips_their_tails() -> None:
    weights = np.random.RandomState(3).standard_normal([3, 3, 8, 16]).astype(np.float32)
    weights[0, 0, 0, 0] = 40.0
    graph = tf.GraphDef(node=[graph_nodes.const_node("w", weights)])
    quantizers = [Quantizer("w_quantized", "w:0", PARAM, 8, Symmetry(), True, "")]

    def maximum(settings: Settings) -> float:
        return calibrate.calibrate_params(graph, quantizers, settings)["w:0"][0].maximum

    assert maximum(Settings("percentile", percentile=100.0)) == maximum(Settings("tf"))
    assert maximum(Settings("percentile", percentile=99.0)) == pytest.approx(np.percentile(weights, 99.0), rel=0.02)
