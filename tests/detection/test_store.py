"""Files of detections: what is stored comes back, and damage is named."""

from pathlib import Path

import numpy as np
import pytest

from quant_accuracy.base.errors import StorageError
from quant_accuracy.detection import store
from tests.support.detections import random_truth, shard_detections
from tests.support.large_ids import CATEGORIES, LARGE, detected, ordered, renumbered


def test_stored_detections_come_back_as_they_were(tmp_path: Path) -> None:
    written = shard_detections(7, 9)
    store.save(tmp_path / "shard.npz", written)

    read = store.load(tmp_path / "shard.npz")

    for name in ("image_ids", "sizes", "counts", "boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_a_shard_without_images_can_be_stored(tmp_path: Path) -> None:
    store.save(tmp_path / "empty.npz", store.gather([], [], []))

    assert store.load(tmp_path / "empty.npz").boxes.shape == (0, 4)


@pytest.mark.parametrize("keep", [0, 10, 200, 500])
def test_damaged_detections_are_an_error_that_names_the_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "shard.npz"
    store.save(path, shard_detections(7, 9))
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(StorageError, match="shard.npz: not readable as detections"):
        store.load(path)


def test_detections_of_a_shard_keep_ids_of_64_bits(tmp_path: Path) -> None:
    small = random_truth(np.random.RandomState(1), images=len(LARGE))
    _, part = detected(renumbered(small, ordered(small), {key: key for key in CATEGORIES}), seed=2)

    store.save(tmp_path / "part.npz", part)

    assert part.image_ids.tolist() == sorted(LARGE)
    assert store.load(tmp_path / "part.npz").image_ids.tolist() == sorted(LARGE)
