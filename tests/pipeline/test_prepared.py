"""Which part of a data set is evaluated, and what it is judged as."""

from dataclasses import replace

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request


def test_a_part_by_its_pattern_is_judged_as_the_same_part_by_its_numbers(
        demo: DataPaths, demo_card: ModelCard, cache: Cache, capsys: pytest.CaptureFixture) -> None:
    narrow = replace(demo, pattern=demo.pattern.replace("*", "0000[2-3]"))
    numbered = prepare(Request(demo_card, demo, 1, "2-3"), cache)

    prepared = prepare(Request(demo_card, narrow, 1), cache)

    assert "demo_val.record-0000[2-3]-of-00010 takes 2 of the 10 shards" in capsys.readouterr().err
    assert not prepared.whole()
    assert not numbered.whole()
    assert prepared.shards == numbered.shards
    assert prepared.every_shard == numbered.every_shard
    assert prepared.expected_images() == numbered.expected_images()
    # Calibrated on the same images: those of the data set's first shards.
    assert prepared.snapshot() == numbered.snapshot()
    assert prepare(Request(demo_card, demo, 1), cache).whole()


def test_a_card_may_say_that_its_data_set_is_what_the_pattern_takes(demo: DataPaths, demo_card: ModelCard,
                                                                    cache: Cache) -> None:
    narrow = replace(demo, pattern=demo.pattern.replace("*", "0000[0-2]"))
    card = replace(demo_card, part_of_annotations=True)

    whole, part = (prepare(Request(card, narrow, 1, selection), cache) for selection in (None, "0-1"))

    assert whole.whole()
    assert not part.whole()
    assert [shard.index for shard in whole.every_shard] == [0, 1, 2]
