"""Shards are handed over whole, one by one."""

from typing import Dict, List

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection import run, store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.settings.card import DataPaths

_RUN = run.Run("float")


def _fake_detector(pictures: np.ndarray, _: run.Run) -> List[Detections]:
    """Finds in each image one box, whose score tells the image's brightness."""
    return [Detections(np.array([[0, 0, 1, 1]], np.float32), np.array([picture.mean() / 255.0], np.float32),
                       np.array([3], np.int32)) for picture in pictures]


def test_every_shard_is_handed_over_whole_whatever_the_batch_size(demo: DataPaths) -> None:
    chosen = shard_files.select(shard_files.find_shards(demo.dataset_dir, demo.pattern), "2,5", 30)
    results = []
    for batch_size in (1, 7, 64):
        found: Dict[int, store.ShardDetections] = {}
        run.detect([run.Work(shard, [_RUN]) for shard in chosen], {"float": _fake_detector}, batch_size, (32, 32),
                   lambda work, parts, found=found: found.update({work.shard.index: parts[_RUN]}))  # type: ignore[misc]
        results.append(found)

    assert [sorted(found) for found in results] == [[2, 5]] * 3
    assert [len(found[5].image_ids) for found in results] == [10] * 3
    for found in results[1:]:
        np.testing.assert_array_equal(found[2].scores, results[0][2].scores)


def test_shards_before_a_damaged_one_are_handed_over(demo_copy: DataPaths) -> None:
    path = sorted(demo_copy.dataset_dir.glob(demo_copy.pattern))[1]
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(bytes(content))
    found: List[int] = []

    with pytest.raises(DataError, match=r"record-00001-of-00002: record 19 is damaged"):
        run.detect([run.Work(shard, [_RUN]) for shard in shard_files.find_shards(demo_copy.dataset_dir,
                                                                                demo_copy.pattern)],
                   {"float": _fake_detector}, 4, (32, 32), lambda work, parts: found.append(work.shard.index))

    assert found == [0]
