"""Remedies on weights, from card to card, on the demo."""

from dataclasses import replace
from typing import Set

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import KEEP, NETWORK, REPLACE
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.quantization.records import Override
from quant_accuracy.repair import weights
from quant_accuracy.repair.settings import with_settings
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request


@pytest.fixture(scope="module")
def prepared(demo_card: ModelCard, demo: DataPaths, cache: Cache) -> Prepared:
    return prepare(Request(replace(demo_card, calibration_images=4), demo, 1), cache)


@pytest.mark.parametrize(("relu6", "types"), [(KEEP, {"Relu6"}), (REPLACE, {"Relu"})])
def test_equalization_does_with_every_relu6_what_the_user_asks_for(
        relu6: str, types: Set[str], prepared: Prepared, demo_artifacts: Artifacts) -> None:
    equalized = weights.equalized(prepared, prepared.request.card, relu6).card

    assert _clips({node.op for node in demo_artifacts.graph(NETWORK).node}) == {"Relu6"}
    assert equalized.quantized_checkpoint is not None
    exported = tf.MetaGraphDef.FromString(equalized.quantized_checkpoint.with_suffix(".meta").read_bytes())
    assert _clips({node.op for node in exported.graph_def.node}) == types


def _clips(types: Set[str]) -> Set[str]:
    """Those of some types of ops that clip activations."""
    return types & {"Relu6", "Relu"}


def test_equalization_treats_every_layer_of_the_demo_that_another_one_is_behind(prepared: Prepared) -> None:
    assert weights.equalized(prepared, prepared.request.card, KEEP).untreated == []


def test_what_a_remedy_cannot_treat_is_named_with_its_reason(prepared: Prepared) -> None:
    off, on = Override("*weights/read:0", enabled=False), Override("*/Conv/weights/read:0", enabled=True)

    made = weights.corrected(prepared, _overridden(prepared.request.card, off, on))

    reasons = dict(made.untreated)
    assert "FeatureExtractor/MobilenetV2/Conv/Conv2D" not in reasons
    assert reasons["FeatureExtractor/MobilenetV2/Conv_1/Conv2D"] == "its weights are not quantized"
    assert f"{weights.few(made.untreated)}".endswith(f" and {len(reasons) - 3} more")


def test_a_remedy_that_finds_nothing_to_treat_is_refused_and_names_what_it_found(prepared: Prepared) -> None:
    with pytest.raises(GraphError, match=r"bias correction finds no layer that it can treat: .*Conv/Conv2D \(its "
                                         r"weights are not quantized\).* and \d+ more; leave it out with --remedies"):
        weights.corrected(prepared, _overridden(prepared.request.card, Override("*weights/read:0", enabled=False)))


def _overridden(card: ModelCard, *overrides: Override) -> ModelCard:
    return with_settings(card, replace(card.quantization, overrides=overrides))
