"""Encodings of weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import computed
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import PARAM, Override, Quantization, Settings
from tests.support.configurations import DEFAULT, loaded, place
from tests.support.networks import VALUES, constant, weighted


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
