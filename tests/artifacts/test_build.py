"""What the entries of the cache depend on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, NETWORK
from quant_accuracy.data import shards
from quant_accuracy.demo import ready
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import export
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.support import rooms

_BIAS = "BoxPredictor_0/ClassPredictor/biases"


def test_a_float_graph_is_made_again_where_any_code_that_makes_it_is_another(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rooms.asked_of(monkeypatch, build)
    demo = card.load(options.DEMO_CARD)

    with pytest.raises(rooms.AskedError):
        build.restore(demo, ready.CHECKPOINT, Cache(tmp_path))

    made_of = rooms.of("quant_accuracy.freezing.load") | rooms.of("quant_accuracy.folding.fold")
    assert {"graph", "freezing", "folding"} <= made_of
    assert made_of - {"base"} <= asked()


def test_another_checkpoint_is_quantized_in_place_of_that_of_the_float_variant(
        tmp_path: Path, demo_card: ModelCard, demo: DataPaths, cache: Cache, demo_artifacts: Artifacts) -> None:
    halved = tf.GraphDef()
    halved.CopyFrom(demo_artifacts.graph(FLOAT))
    bias = next(node for node in halved.node if node.name == _BIAS)
    values = tf.make_ndarray(bias.attr["value"].tensor)
    bias.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values / 2))
    export.write_checkpoint(halved, tmp_path)
    few = replace(demo_card, calibration_images=2)
    found = shards.find_shards(demo.dataset_dir, demo.pattern)

    alone = build.build(few, tmp_path / export.PREFIX, found, cache)
    beside = build.build(replace(few, quantized_checkpoint=tmp_path / export.PREFIX), demo.checkpoint, found, cache)

    assert beside.quantsim_folder == alone.quantsim_folder
    assert beside.graph_file(FLOAT) == demo_artifacts.graph_file(FLOAT)
    assert beside.graph_file(NETWORK) == alone.graph_file(FLOAT) != demo_artifacts.graph_file(FLOAT)
    changed = graph_nodes.constant(graph_nodes.by_name(beside.graph(NETWORK)), f"{_BIAS}:0")
    np.testing.assert_array_equal(changed, values / 2)
