"""Evaluations with other quantizers than those of the card."""

from dataclasses import replace

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.pipeline.evaluation import evaluate
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.pipeline.variations import measure_overridden
from quant_accuracy.quantization.records import Override
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request


def test_other_bits_are_what_a_card_with_these_overrides_gives(demo: DataPaths, demo_card: ModelCard,
                                                               cache: Cache) -> None:
    overrides = [Override("*/Relu6:0", bitwidth=4), Override("concat*:0", enabled=False)]
    found = measure_overridden(prepare(Request(demo_card, demo, 1, selection="0"), cache), overrides)

    card = replace(demo_card, quantization=replace(demo_card.quantization, overrides=tuple(overrides)))
    done = evaluate(Request(card, demo, 1, selection="0"), cache)

    assert found.metrics == done.variants[QUANTIZED].metrics
    assert {q.tensor: (q.bitwidth, q.enabled) for q in done.artifacts.quantizers}["concat:0"] == (8, False)
