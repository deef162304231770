"""SSDLite MobileNet v2, built from its pipeline.config, against what the real AIMET 1.19.1 made of its graph.

Values are random there and here: what is compared are names and places, of all 76 batch norms and 342 quantizers.
"""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from quant_accuracy.folding import fold
from quant_accuracy.folding.fold import FoldResult
from quant_accuracy.graph.network import Network
from quant_accuracy.preparation import inference_graph, pipeline_config
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import Settings
from tests.support import detectors, lanes
from tests.support.places import REFERENCE

pytestmark = lanes.needs_object_detection

_AIMET: Dict[str, Any] = json.loads((REFERENCE / "ssdlite_mobilenet_v2.json").read_text())
_START, _OUTPUTS = _AIMET["starting_op"], _AIMET["output_ops"]


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> FoldResult:
    path: Path = tmp_path_factory.mktemp("ssdlite") / "pipeline.config"
    config = pipeline_config.load(detectors.pipeline("ssdlite_mobilenet_v2"))
    # AIMET's detector is as narrow, and names of layers have their widths.
    config.model.ssd.feature_extractor.depth_multiplier = 0.35
    path.write_text(text_format.MessageToString(config))
    with tf.Graph().as_default() as graph, tf.Session() as session:
        inference_graph.build(path, pipeline_config.load(path))
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), _OUTPUTS)
    return fold.fold_batch_norms(Network(frozen, _START, _OUTPUTS))


def test_batch_norms_are_folded_in_the_order_of_aimet(folded: FoldResult) -> None:
    assert [[item.convolution, item.batch_norm] for item in folded.folded] == _AIMET["folded"]


def test_every_new_bias_has_the_name_that_aimet_gives_it(folded: FoldResult) -> None:
    nodes = {node.name: node for node in folded.graph.node}

    assert {item.convolution: [item.output, f"{nodes[item.output].input[1]}:0"] for item in folded.folded} \
        == _AIMET["new_bias"]


def test_quantizers_are_exactly_those_of_aimet(folded: FoldResult) -> None:
    quantizers = placement.place_quantizers(Network(folded.graph, _START, _OUTPUTS), Settings())

    assert {(q.name, q.tensor, q.kind, q.enabled) for q in quantizers} \
        == {(q["name"], q["tensor"], q["kind"], q["enabled"]) for q in _AIMET["quantizers"]}
