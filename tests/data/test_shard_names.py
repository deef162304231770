"""Which shards belong together, which are missing, and what a pattern that takes some of them means."""

from pathlib import Path
from typing import List, Sequence

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.data import shards


def _files(folder: Path, *names: str) -> None:
    """Shards of one record each."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            writer.write(name.encode())


def _set(folder: Path, numbers: Sequence[int], total: int = 10, prefix: str = "val", suffix: str = "") -> None:
    _files(folder, *(f"{prefix}-{number:05d}-of-{total:05d}{suffix}" for number in numbers))


def _indexes(folder: Path, pattern: str) -> List[int]:
    return [shard.index for shard in shards.find_shards(folder, pattern)]


@pytest.mark.parametrize("pattern", ["val-0000[4-7]-of-00010", "val-0000[4567]-*", "*[4-7]-of-00010"])
def test_a_pattern_that_takes_some_files_of_a_set_selects_a_part(tmp_path: Path, pattern: str) -> None:
    _set(tmp_path, range(10))

    found = shards.find_shards(tmp_path, pattern)
    every = shards.whole_set(tmp_path, pattern, found)

    assert [(shard.index, shard.set_size) for shard in found] == [(number, 10) for number in (4, 5, 6, 7)]
    assert [shard.index for shard in every] == list(range(10))
    assert shards.is_whole(every)


def test_numbers_of_a_selection_are_those_of_the_names_also_behind_a_pattern(tmp_path: Path) -> None:
    _set(tmp_path, range(10))
    found = shards.find_shards(tmp_path, "val-0000[4-7]-of-00010")

    assert [shard.index for shard in shards.select(found, "5-6")] == [5, 6]
    assert [shard.index for shard in shards.select(found, None, count=2)] == [4, 5]
    with pytest.raises(ConfigurationError, match="no shard 0; the data set has 4-7"):
        shards.select(found, "0")


@pytest.mark.parametrize("pattern", ["val-*-of-00010", "val-?????-of-00010", "*", "val-0000*", "val-0000[0-9]-of-00010",
                                     "val-*[0-9]-of-*"])
def test_a_shard_that_the_pattern_asks_for_and_that_is_not_there_is_missing(tmp_path: Path, pattern: str) -> None:
    _set(tmp_path, [0, 1, 2, 4, 5, 6, 7, 8])

    with pytest.raises(DataError, match="the shards 3,9 are missing; complete the data set, or name the shards"):
        shards.find_shards(tmp_path, pattern)


def test_naming_the_shards_that_are_there_is_a_remedy_and_makes_a_part(tmp_path: Path) -> None:
    _set(tmp_path, [0, 1, 2, 4])

    found = shards.find_shards(tmp_path, "val-0000[0124]-of-00010")
    every = shards.whole_set(tmp_path, "val-0000[0124]-of-00010", found)

    assert [shard.index for shard in every] == [0, 1, 2, 4]
    assert not shards.is_whole(every)


def test_a_shard_that_cannot_be_read_does_not_matter_where_the_pattern_leaves_it_out(tmp_path: Path) -> None:
    _set(tmp_path, range(3), total=3)
    path = tmp_path / "val-00002-of-00003"
    path.write_bytes(path.read_bytes()[:-3])

    found = shards.find_shards(tmp_path, "val-0000[01]-of-00003")

    assert [shard.index for shard in shards.whole_set(tmp_path, "val-0000[01]-of-00003", found)] == [0, 1]
    with pytest.raises(DataError, match="val-00002-of-00003: record 0 is cut short"):
        shards.find_shards(tmp_path, "val-*-of-00003")


def test_names_may_go_on_behind_the_numbers(tmp_path: Path) -> None:
    _set(tmp_path, range(3), total=3, suffix=".tfrecord")
    _set(tmp_path, range(3), total=3, suffix=".tfrecord.idx")

    assert _indexes(tmp_path, "*.tfrecord") == [0, 1, 2]
    (tmp_path / "val-00001-of-00003.tfrecord").unlink()
    with pytest.raises(DataError, match="the shards 1 are missing"):
        shards.find_shards(tmp_path, "*.tfrecord")


def test_numbers_may_count_from_1(tmp_path: Path) -> None:
    _set(tmp_path, range(1, 11))

    assert _indexes(tmp_path, "val-*-of-00010") == list(range(1, 11))
    assert _indexes(tmp_path, "val-0000?-of-00010") == list(range(1, 10))
    (tmp_path / "val-00003-of-00010").unlink()
    with pytest.raises(DataError, match="the shards 3 are missing"):
        shards.find_shards(tmp_path, "val-*-of-00010")


def test_shards_of_several_sets_are_refused(tmp_path: Path) -> None:
    _set(tmp_path, range(2), total=2)
    _set(tmp_path, range(3), total=3)
    _set(tmp_path, range(2), total=2, prefix="train")

    for pattern, named in (("val-*", r"val-\*-of-00002, val-\*-of-00003"),
                           ("*-of-00002", r"train-\*-of-00002, val-\*-of-00002")):
        with pytest.raises(DataError, match=rf"shards of different sets \({named}\); name one set"):
            shards.find_shards(tmp_path, pattern)
    assert _indexes(tmp_path, "val-*-of-00002") == [0, 1]


def test_sets_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    _set(tmp_path / "a", range(2), total=2)
    _set(tmp_path / "b", range(2), total=2)

    assert _indexes(tmp_path, "a/val-*-of-00002") == [0, 1]
    with pytest.raises(DataError, match="shards of different sets"):
        shards.find_shards(tmp_path, "*/val-*-of-00002")


def test_two_files_of_one_number_are_refused(tmp_path: Path) -> None:
    _files(tmp_path, "val-00000-of-00002", "val-0-of-00002", "val-00001-of-00002")

    with pytest.raises(DataError, match="val-0-of-00002 and val-00000-of-00002 have the same number; remove one"):
        shards.find_shards(tmp_path, "val-*-of-00002")


def test_a_number_beyond_the_set_is_refused(tmp_path: Path) -> None:
    _set(tmp_path, [0, 1, 7], total=2)

    with pytest.raises(DataError, match="val-00007-of-00002: has the number 7 in a set of 2"):
        shards.find_shards(tmp_path, "val-*-of-00002")


def test_a_stranger_among_numbered_shards_is_named(tmp_path: Path) -> None:
    _set(tmp_path, range(2), total=2)
    _files(tmp_path, "val-old")

    with pytest.raises(DataError, match="matches numbered shards, and val-old, which has no number; name one set"):
        shards.find_shards(tmp_path, "val-*")


def test_names_without_numbers_count_by_their_order_and_are_whole(tmp_path: Path) -> None:
    _files(tmp_path, "a.record", "c.record", "b.record")

    found = shards.find_shards(tmp_path, "*.record")

    assert [(shard.index, shard.path.name, shard.set_size) for shard in found] == [
        (0, "a.record", None), (1, "b.record", None), (2, "c.record", None)]
    assert shards.is_whole(shards.whole_set(tmp_path, "*.record", found))
