"""Ranges of rows that fit into memory."""

import numpy as np
import pytest

from quant_accuracy.scoring import chunks


@pytest.mark.parametrize("most", [1, 5, 7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_chunks_hold_every_row_once_and_cost_at_most_what_they_may(seed: int, most: int) -> None:
    costs = np.random.RandomState(seed).randint(0, 8, 40)

    found = list(chunks.chunks(costs, most))

    assert [row for first, end in found for row in range(first, end)] == list(range(40))
    assert all(costs[first:end].sum() <= most or end == first + 1 for first, end in found)
    # None could have taken the first row of the next.
    assert all(costs[first:end + 1].sum() > most for first, end in found[:-1])


def test_no_rows_make_no_chunks() -> None:
    assert list(chunks.chunks(np.zeros(0, np.int64), 5)) == []
