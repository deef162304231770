"""Scheme `tf_enhanced`: a histogram of what was seen, and the grid that loses least of it, by AIMET 1.19's rules.

AIMET computes in float32 here, and where two grids cost nearly the same its rounding decides. So the same steps are
taken in the same precision and order; the loops are over grids instead of over values.
"""

import math
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from quant_accuracy.quantization.encodings import NARROWEST_GRID, Range, round_half_away
from quant_accuracy.quantization.records import Encoding, Symmetry

BUCKETS = 512

_SATURATION_WEIGHT = np.float32(3.0)
_NARROWEST_RANGE = np.float32(0.01)
_Grid = Tuple[np.float32, int]


@dataclass(frozen=True)
class Histogram:
    """How often values were seen.

    Attributes:
        left: float32 [512] left edges of the buckets.
        share: float64 [512] mean over the updates of each bucket's share.
        updates: Number of updates.
    """

    left: np.ndarray
    share: np.ndarray
    updates: int


def update(histogram: Optional[Histogram], values: np.ndarray) -> Optional[Histogram]:
    """Take one more tensor into account.

    Two of AIMET's quirks live here: the buckets are fixed by the first tensor that is not all zero (three times its
    range; what falls outside later is dropped, but counts in the denominator), and every update weighs the same,
    however many values it has.

    Args:
        histogram: What was seen before; None before the first tensor that is not all zero.
        values: float32, any shape.
    """
    flat = values.reshape(-1)
    if histogram is None:
        left = _buckets(flat)
        if left is None:
            return None
        histogram = Histogram(left, np.zeros(BUCKETS), 0)
    left = histogram.left
    width = left[1] - left[0]
    # Nearest, not floor: a bucket's values lie around its left edge.
    index = round_half_away(flat / width - left[0] / width).astype(np.int64)
    inside = index[(index >= 0) & (index < BUCKETS)]
    share = (np.bincount(inside, minlength=BUCKETS).astype(np.float32) / np.float32(flat.size)).astype(np.float64)
    mean = (histogram.share * histogram.updates + share) / (histogram.updates + 1)
    return Histogram(left, mean, histogram.updates + 1)


def _buckets(values: np.ndarray) -> Optional[np.ndarray]:
    low, high = np.float32(values.min()), np.float32(values.max())
    if low == 0 and high == 0:
        return None
    if low == high:
        high = low + _NARROWEST_RANGE
    centre = (high + low) / np.float32(2)
    low, high = centre - np.float32(3) * (centre - low), centre + np.float32(3) * (high - centre)
    width = (high - low) / np.float32(BUCKETS)
    return low + np.arange(BUCKETS, dtype=np.float32) * width


def enhanced_encoding(histogram: Optional[Histogram], bitwidth: int, symmetry: Symmetry) -> Encoding:
    """The encoding of scheme `tf_enhanced`: of many grids the one with the least quantization and saturation error.

    Args:
        histogram: What was seen; None when all of it was zero.
        bitwidth: 2..16 bits.
        symmetry: Which ranges are allowed.
    """
    steps = 2 ** bitwidth - 1
    if histogram is None:
        scale = 2.0 / steps
        offset = math.floor(-1.0 / scale)
        return Encoding(scale * offset, scale * offset + steps * scale, scale, offset, bitwidth, symmetry.symmetric)
    low, high = _range(histogram)
    if symmetry.symmetric:
        steps -= int(symmetry.strict)
        grids = _symmetric_grids(low, high, steps, symmetry.unsigned)
    else:
        grids = _asymmetric_grids(low, high, steps)
    scale, offset = _cheapest(histogram, grids, bitwidth)
    if scale == 0:
        return Encoding(0.0, NARROWEST_GRID, NARROWEST_GRID / steps, 0, bitwidth, symmetry.symmetric)
    minimum = float(scale * np.float32(offset))
    # The sum is AIMET's only one in double precision.
    maximum = float(scale * np.float32(steps)) + minimum
    return Encoding(minimum, maximum, float(scale), offset, bitwidth, symmetry.symmetric)


def central_range(histogram: Optional[Histogram], percentile: float) -> Range:
    """The range of scheme `percentile`: beyond each end lies at most what is missing to 100.

    Ends are those of buckets, of which some 170 lie in the range of the first image.

    Args:
        histogram: What was seen; None when all of it was zero.
        percentile: 50 .. 100; 100 holds everything.
    """
    if histogram is None:
        return Range(0.0, 0.0)
    left, width = histogram.left.astype(np.float64), float(histogram.left[1]) - float(histogram.left[0])
    share = histogram.share / histogram.share.sum()
    # Rounding of sums must not let a tail of nothing count.
    tail = (100.0 - percentile) / 100.0 + 1e-12
    low, high = (int(np.argmax(np.cumsum(order) > tail)) for order in (share, share[::-1]))
    # A bucket's values lie around its left edge.
    return Range(float(left[low] - width / 2), float(left[len(left) - 1 - high] + width / 2))


def _range(histogram: Histogram) -> Tuple[np.float32, np.float32]:
    seen = histogram.left[histogram.share > 0]
    low, high = min(seen[0], np.float32(0)), max(seen[-1], np.float32(0))
    return low, max(high, low + _NARROWEST_RANGE)


def _symmetric_grids(low: np.float32, high: np.float32, steps: int, unsigned: bool) -> List[_Grid]:
    if low == 0 and unsigned:
        widest, offset = high / np.float32(steps), 0
    else:
        widest = np.float32(2) * max(abs(high), abs(low)) / np.float32(steps)
        offset = math.floor(-steps / 2)
    grids: List[_Grid] = []
    fraction = np.float32(1.0 / 100)
    while fraction <= 1.0 + 1.0 / 100:
        grids.append((fraction * widest, offset))
        fraction = np.float32(np.float64(fraction) + 1.0 / 100)
    return grids


def _asymmetric_grids(low: np.float32, high: np.float32, steps: int) -> List[_Grid]:
    widest = (high - low) / np.float32(steps)
    offset = int(round_half_away(low / widest))
    low = widest * np.float32(offset)
    high = low + widest * np.float32(steps)
    grids: List[_Grid] = []
    for sixteenths in range(1, 18):
        scale = np.float32(sixteenths / 16.0) * widest
        for twentieths in range(21):
            start = scale * np.float32(int(-steps + steps / 20.0 * twentieths))
            end = start + scale * np.float32(steps)
            if start < low and end > high:
                continue
            start, end = max(low, start), min(high, end)
            # AIMET's quirk: the narrowed scale carries over to the next offset, and once it is zero (a range that
            # begins at zero narrows to nothing at the first offset) the remaining grids of this fraction are all that
            # single point. It is the cheapest where all values are so small that their squares vanish in float32.
            scale = (end - start) / np.float32(steps)
            if scale == 0:
                grids.append((scale, 0))
                break
            grids.append((scale, int(round_half_away(start / scale))))
    grids.append((widest, offset))
    return grids


class _Costs(NamedTuple):
    """float32 [grids] sums, rounded after every bucket as AIMET's are."""

    below: np.ndarray
    above: np.ndarray
    between: np.ndarray


def _cheapest(histogram: Histogram, grids: List[_Grid], bitwidth: int) -> _Grid:
    """The first of the grids with the least cost: 3 x saturation error + quantization error."""
    left = histogram.left
    start, width = left[0], left[1] - left[0]
    scale = np.array([grid[0] for grid in grids], np.float32)
    offset = np.array([grid[1] for grid in grids], np.float32)
    minimum = scale * offset
    # Always 2^bitwidth - 1 steps, also where a strict symmetric grid has one less.
    maximum = scale * np.float32(2 ** bitwidth - 1) + minimum
    first, last = (np.clip(np.floor((edge - start) / width), 0, BUCKETS - 1).astype(np.int64)
                   for edge in (minimum, maximum))
    middle = start + np.arange(BUCKETS, dtype=np.float32) * width + width / np.float32(2)
    costs = _Costs(*(np.zeros(len(grids), np.float32) for _ in range(3)))
    # A grid of a single point has nothing between its ends.
    divisor = np.where(scale > 0, scale, np.float32(1))
    for bucket in np.flatnonzero(histogram.share > 0):
        share, value = histogram.share[bucket], middle[bucket]
        steps = round_half_away(value / divisor - offset)
        _add(costs.below, bucket < first, share, value - middle[first])
        _add(costs.above, bucket >= last, share, value - middle[last])
        _add(costs.between, (bucket >= first) & (bucket < last), share, value - scale * (steps + offset))
    best = int(np.argmin(_SATURATION_WEIGHT * (costs.below + costs.above) + costs.between))
    return grids[best]


def _add(total: np.ndarray, where: np.ndarray, share: float, error: np.ndarray) -> None:
    term = share * error.astype(np.float64) ** 2
    total[where] = (total.astype(np.float64) + term)[where].astype(np.float32)
