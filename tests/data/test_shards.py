"""Shards: which there are, which are selected, and what is said of damaged ones."""

from pathlib import Path
from typing import List

import pytest

from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.data import shards
from quant_accuracy.settings.card import DataPaths


def _shard_file(data: DataPaths, index: int = 0) -> Path:
    return sorted(data.dataset_dir.glob(data.pattern))[index]


@pytest.mark.parametrize(("text", "numbers"), [("0", [0]), ("0,3-5", [0, 3, 4, 5]), (" 2 - 3 ,2", [2, 3])])
def test_a_selection_names_shards(text: str, numbers: List[int]) -> None:
    assert shards.parse_selection(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "5-3", "1,,2", "-1", "1-"])
def test_a_wrong_selection_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write '0,3-5'"):
        shards.parse_selection(text)


def test_a_selection_is_written_as_it_is_read() -> None:
    assert shards.format_selection([5, 0, 4, 3, 9]) == "0,3-5,9"


def test_selected_shards_keep_their_numbers(demo: DataPaths) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)

    assert [shard.index for shard in shards.select(found, "0,3-5")] == [0, 3, 4, 5]
    with pytest.raises(ConfigurationError, match="no shard 10; the data set has 0-9"):
        shards.select(found, "9-10")


def test_the_number_of_examples_cuts_the_last_shard(demo: DataPaths) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)

    assert [shard.records for shard in shards.select(found, None, 45)] == [20, 20, 5]
    with pytest.raises(ConfigurationError, match="hold 200 images; ask for 1 to 200"):
        shards.select(found, None, 201)


def test_no_file_for_the_pattern_is_an_error(demo: DataPaths) -> None:
    with pytest.raises(DataError, match="nothing.record.*no file matches"):
        shards.find_shards(demo.dataset_dir, "nothing.record-*")


def test_a_missing_shard_is_named(demo_copy: DataPaths) -> None:
    _shard_file(demo_copy, 1).unlink()

    with pytest.raises(DataError, match="the shards 1 are missing"):
        shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)


def test_a_truncated_shard_is_named_with_its_record(demo_copy: DataPaths) -> None:
    path = _shard_file(demo_copy)
    path.write_bytes(path.read_bytes()[:-7])

    with pytest.raises(DataError, match=r"val\.record-00000-of-00002: record 19 is cut short"):
        shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)
