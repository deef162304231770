"""Work in parts that fit into memory."""

from typing import Iterator, Tuple

import numpy as np


def chunks(costs: np.ndarray, most: int) -> Iterator[Tuple[int, int]]:
    """Ranges of rows that cost `most` at most together, or have one row: first and end of each.

    Args:
        costs: int64 [n] what each row costs.
        most: What a range may cost.
    """
    total = np.concatenate([[0], np.cumsum(costs)])
    first = 0
    while first < len(costs):
        end = max(first + 1, int(np.searchsorted(total, total[first] + most, side="right")) - 1)
        yield first, end
        first = end
