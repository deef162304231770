"""What no baseline is made of."""

from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.pipeline import evaluation, update_baseline
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request


def test_no_baseline_is_made_of_a_part_that_a_pattern_takes(demo: DataPaths, demo_card: ModelCard, cache: Cache,
                                                            tmp_path: Path) -> None:
    narrow = replace(demo, pattern=demo.pattern.replace("*", "0000[0-1]"))
    done = evaluation.evaluate(Request(demo_card, narrow, 1, new_baseline=tmp_path), cache)

    with pytest.raises(ConfigurationError, match="the whole data set, and 2 of its 10 shards were evaluated; let"):
        update_baseline.write_baseline(done)
    assert list(tmp_path.iterdir()) == []
