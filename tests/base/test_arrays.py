"""Files of arrays that something has damaged."""

import itertools
from pathlib import Path

import numpy as np

from quant_accuracy.base import arrays
from quant_accuracy.base.errors import StorageError


def test_no_flipped_bit_and_no_cut_of_a_file_of_arrays_goes_unnoticed(tmp_path: Path) -> None:
    path, random = tmp_path / "arrays.npz", np.random.RandomState(0)
    saved = {"scores": random.uniform(size=20).astype(np.float32), "classes": np.arange(20, dtype=np.int32)}
    arrays.save(path, saved)
    content = path.read_bytes()
    flips = (content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1:] for i in range(len(content))
             for bit in (0, 5))
    refused = 0

    for damaged in itertools.chain(flips, (content[:length] for length in range(len(content)))):
        path.write_bytes(damaged)
        try:
            found = arrays.load(path, {"scores": np.float32, "classes": np.int32}, "arrays")
        except StorageError:
            refused += 1
            continue
        # What no checksum covers are dates and the like.
        for name, array in saved.items():
            np.testing.assert_array_equal(found[name], array)
    assert refused > 2 * len(content)
