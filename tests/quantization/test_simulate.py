"""The simulation against numpy and on graphs that do not fit."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.folding import fold
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import encodings, placement, simulate
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantization, Quantizer, Settings, Symmetry
from tests.conftest import Run
from tests.support.networks import small_network


def test_simulated_activation_is_the_quantized_input_of_its_quantizer(demo_artifacts: Artifacts, image: np.ndarray,
                                                                      run_graph: Run) -> None:
    chosen = [q for q in demo_artifacts.quantizers if q.enabled and q.kind == ACTIVATION][::10]
    before = [q.tensor for q in chosen]
    after = [q.name + ":0" for q in chosen]

    values = run_graph(demo_artifacts.graph(QUANTIZED), before + after, {"image_tensor:0": image})

    for quantizer, raw, quantized in zip(chosen, values, values[len(chosen):]):
        (encoding,) = demo_artifacts.encodings[quantizer.tensor]
        wanted = encodings.quantize_dequantize(raw, encoding)
        different = np.abs(wanted - quantized) > 1e-3 * encoding.scale
        # Where the two differ, the value lies between two steps to within float32's rounding.
        steps = raw[different].astype(np.float64) / encoding.scale
        assert np.abs(np.abs(steps - np.floor(steps)) - 0.5).max(initial=0.0) < 1e-3
        assert different.mean() < 1e-3


def test_simulated_weights_have_at_most_256_values(demo_artifacts: Artifacts) -> None:
    nodes = graph_nodes.by_name(demo_artifacts.graph(QUANTIZED))

    for name in ("FeatureExtractor/MobilenetV2/Conv/weights", "BoxPredictor_0/ClassPredictor/weights"):
        assert len(np.unique(graph_nodes.constant(nodes, name))) <= 256


def test_consumers_of_the_network_outputs_take_the_quantized_ones(demo_artifacts: Artifacts) -> None:
    uses = graph_nodes.uses(demo_artifacts.graph(QUANTIZED).node)

    for output in ("concat", "concat_1"):
        assert [use.node.op for use in uses[f"{output}:0"]] == ["FakeQuantWithMinMaxArgs"]


def test_a_quantizer_without_its_tensor_is_an_error() -> None:
    folded = fold.fold_batch_norms(Network(small_network(), "start", ["end"])).graph
    placed = placement.place_quantizers(Network(folded, "start", ["end"]), Settings())
    encoding = Encoding(0.0, 1.0, 1 / 255, 0, 8)

    with pytest.raises(GraphError, match="0 of 1 activation quantizers"):
        simulate.insert_fake_quant(tf.GraphDef(), Quantization(placed, {q.tensor: (encoding,) for q in placed}))


def test_encodings_for_other_channels_are_refused_by_name() -> None:
    quantizer = Quantizer("w_quantized", "w:0", PARAM, 8, Symmetry(), True, "", "weight", 1)
    one = Encoding(-1.0, 1.0, 2.0 / 255, -128, 8)

    with pytest.raises(ConfigurationError, match="w:0 has 3 channels and 1 encodings; use the checkpoint and"):
        simulate._on_grid(np.zeros([2, 3], np.float32), quantizer, [one])
    assert simulate._on_grid(np.zeros([2, 3], np.float32), quantizer, [one] * 3).shape == (2, 3)
