"""Batch norms that the card has not decided on."""

from dataclasses import replace
from typing import Optional

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import float_graph
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.folding import fold
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.records import FOLD, KEEP
from quant_accuracy.settings.card import ModelCard
from tests.support.batch_norms import conv, network, spell_out


@pytest.mark.parametrize(("said", "named"), [(None, 60), (KEEP, 0), (FOLD, 0)])
def test_the_check_on_folding_names_what_the_card_has_not_decided_on(demo_artifacts: Artifacts, demo_card: ModelCard,
                                                                     said: Optional[str], named: int) -> None:
    names = demo_card.graph
    graph = tf.GraphDef.FromString((demo_artifacts.float_folder / "float.pb").read_bytes())
    spell_out(graph)
    folded = fold.fold_batch_norms(Network.of(graph, names), spelled=said == FOLD)
    decided = replace(demo_card, quantization=replace(demo_card.quantization, spelled_out_batch_norms=said))

    left = float_graph.batch_norms_left(decided, folded)

    assert len(left) == named
    assert all(item.batch_norm.endswith("/batchnorm/mul_1") and "--spelled-out-batch-norms fold" in item.reason
               for item in left)


def test_what_takes_its_statistics_from_the_batch_is_named_also_where_the_card_keeps_others(
        demo_card: ModelCard) -> None:
    graph = network(conv, lambda x: tf.keras.layers.BatchNormalization(fused=False)(x))
    kept = replace(demo_card, graph=replace(demo_card.graph, starting_ops=("start",), output_ops=("end",)),
                   quantization=replace(demo_card.quantization, spelled_out_batch_norms=KEEP))

    assert len(float_graph.batch_norms_left(kept, fold.fold_batch_norms(Network(graph, "start", ["end"])))) == 1
