"""Batch norms that folding has left, whatever they are spelled in."""

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.folding import unfolded
from quant_accuracy.graph.network import Network
from tests.support.batch_norms import Layer, conv, network, parameter, spell_out


@pytest.mark.parametrize(("layer", "op"), [
    (lambda x: tf.math.divide_no_nan(x, parameter("deviation")), "DivNoNan"),
    (lambda x: tf.math.multiply_no_nan(x, parameter("scale")), "MulNoNan"),
    (lambda x: tf.space_to_batch_nd(x, [2, 2], [[0, 0], [0, 0]]) * parameter("scale"), "Mul"),
    (lambda x: x * tf.nn.softplus(parameter("scale")), "Mul"),
])
def test_what_folding_does_not_know_is_named_all_the_same(layer: Layer, op: str) -> None:
    found = unfolded.find(Network(network(conv, layer), "start", ["end"]))

    assert len(found) == 1
    assert op in found[0].reason


def test_the_check_is_quiet_on_the_folded_demo_and_names_what_its_float_graph_holds(demo_artifacts: Artifacts) -> None:
    graph = tf.GraphDef.FromString((demo_artifacts.float_folder / "float.pb").read_bytes())
    start, outputs = "FeatureExtractor/MobilenetV2/MobilenetV2/input", ["concat", "concat_1"]
    fused = [node.name for node in graph.node if node.op.startswith("FusedBatchNorm")]

    assert unfolded.find(Network(demo_artifacts.graph(FLOAT), start, outputs)) == []
    assert sorted(item.op for item in unfolded.find(Network(graph, start, outputs))) == sorted(fused)
    spell_out(graph)
    assert len(unfolded.find(Network(graph, start, outputs))) == len(fused)
