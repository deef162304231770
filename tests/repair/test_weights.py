"""Remedies on weights, from card to card, on the demo."""

from dataclasses import replace
from typing import Set

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import KEEP, NETWORK, REPLACE
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.repair import weights
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request


@pytest.fixture(scope="module")
def prepared(demo_card: ModelCard, demo: DataPaths, cache: Cache) -> Prepared:
    return prepare(Request(replace(demo_card, calibration_images=4), demo, 1), cache)


@pytest.mark.parametrize(("relu6", "types"), [(KEEP, {"Relu6"}), (REPLACE, {"Relu"})])
def test_equalization_does_with_every_relu6_what_the_user_asks_for(
        relu6: str, types: Set[str], prepared: Prepared, demo_artifacts: Artifacts) -> None:
    equalized = weights.equalized(prepared, prepared.request.card, relu6)

    assert _clips({node.op for node in demo_artifacts.graph(NETWORK).node}) == {"Relu6"}
    assert equalized.quantized_checkpoint is not None
    exported = tf.MetaGraphDef.FromString(equalized.quantized_checkpoint.with_suffix(".meta").read_bytes())
    assert _clips({node.op for node in exported.graph_def.node}) == types


def _clips(types: Set[str]) -> Set[str]:
    """Those of some types of ops that clip activations."""
    return types & {"Relu6", "Relu"}
