"""Which shards a search may see."""

from dataclasses import replace
from pathlib import Path
from typing import List, Sequence

import pytest

from quant_accuracy.data.shards import Shard
from quant_accuracy.repair import split


def _shards(records: Sequence[int]) -> List[Shard]:
    return [Shard(index, Path(f"val-{index}"), count, count, len(records)) for index, count in enumerate(records)]


def test_a_third_of_the_shards_is_held_back_and_none_of_them_calibrates() -> None:
    shards = _shards([20] * 10)

    found = split.split(shards, shards[:3], 500)

    assert [shard.index for shard in found.held_back] == [4, 6, 8]
    assert [shard.index for shard in found.search] == [0, 1, 2, 3, 5, 7, 9]


def test_a_large_data_set_is_searched_on_its_first_shards_only() -> None:
    shards = _shards([100] * 50)

    found = split.split(shards, shards[:1], 500)

    assert sum(shard.records for shard in found.search) == 500
    assert len(found.held_back) == 16
    assert not {shard.index for shard in found.search} & {shard.index for shard in found.held_back}


@pytest.mark.parametrize(("records", "calibrating", "reason"), [
    ([20], 0, "one shard only"),
    ([20], 1, "all shards hold calibration images"),
    ([20, 20], 2, "all shards hold calibration images"),
])
def test_where_no_shard_can_be_spared_the_reason_is_given(records: List[int], calibrating: int, reason: str) -> None:
    shards = _shards(records)

    found = split.split(shards, shards[:calibrating], 500)

    assert not found.held_back
    assert found.search == shards
    assert reason in found.reason


def test_two_shards_are_enough_to_hold_one_back() -> None:
    shards = _shards([20, 20])

    found = split.split(shards, [replace(shards[0])], 500)

    assert [shard.index for shard in found.held_back] == [1]
    assert [shard.index for shard in found.search] == [0]
