"""Whether the interval of a share covers that of a whole data set: `clustered_share_interval` beside percentiles."""

from typing import List, NamedTuple, Tuple

import numpy as np

from quant_accuracy.scoring import bootstrap
from quant_accuracy.scoring.intervals import Interval, clustered_share_interval, percentile_interval

_DATA_SET, _PARTS, _RESAMPLES = 5000, 300, 200
_TEXT = """\
**A device's drop** against the simulation (`device_mAP_drop`) is judged as that of the quantized variant, with the
simulation in place of float: paired, on the same draws. Integer kernels give the same on every machine, so its jitter
is that of the simulation. **Agreement** (`device_agreement`) is a share of detections, which come image by image:
Wilson's interval for as many independent detections as the images are worth (Korn and Graubard 1998), no more than if
one more image disagreed in half of its detections. Percentiles of draws see no variance where all of few images agree.
Parts of 5000 made-up images, 300 parts each:
"""
# A share, how alike the cases of an image are (0..1), and how many images a part has.
_CASES = ((0.99, 0.05, 10), (0.99, 0.05, 40), (0.99, 0.05, 300), (0.95, 0.4, 10), (0.95, 0.4, 40), (0.95, 0.4, 300),
          (0.85, 0.2, 10), (0.85, 0.2, 300))


class Coverage(NamedTuple):
    """Which share of the intervals covers the truth, lies above it, lies below it; and their mean width."""

    covers: float
    above: float
    below: float
    width: float


def data_set(share: float, alike: float, seed: int, images: int = _DATA_SET) -> Tuple[np.ndarray, np.ndarray]:
    """The cases of each image that are chosen, and all of them: int64 [n] each."""
    random = np.random.RandomState(seed)
    total = np.where(random.uniform(size=images) < 0.1, 0, 1 + random.poisson(random.gamma(1.0, 3.0, images)))
    spread = 1 / alike - 1
    return random.binomial(total, random.beta(share * spread, (1 - share) * spread, images)), total


def measure(share: float, alike: float, images: int, parts: int = _PARTS) -> Tuple[Coverage, Coverage]:
    """The coverage of the interval that gates judge by, and of percentiles of a bootstrap."""
    chosen, total = data_set(share, alike, seed=1)
    truth, random = chosen.sum() / total.sum(), np.random.RandomState(images)
    weights = bootstrap.draw(images, _RESAMPLES)
    judged: List[Interval] = []
    plain: List[Interval] = []
    for _ in range(parts):
        part = random.choice(len(total), images, replace=False)
        found = clustered_share_interval(chosen[part], total[part], images / len(total))
        if found is not None:
            judged.append(found)
            plain.append(percentile_interval((weights @ chosen[part]) / np.maximum(1, weights @ total[part])))
    return _coverage(judged, truth), _coverage(plain, truth)


def _coverage(intervals: List[Interval], truth: float) -> Coverage:
    above, below = (float(np.mean([beyond(one) for one in intervals])) for beyond in (
        lambda one: one.low > truth, lambda one: one.high < truth))
    return Coverage(1 - above - below, above, below, float(np.mean([one.high - one.low for one in intervals])))


def section() -> str:
    """What docs/uncertainty.md says of a device."""
    return "\n".join([_TEXT, *_table()])


def _table() -> List[str]:
    rows = ["| agreement | alike in an image | images | covers | above | below | mean width | percentiles cover |",
            "|--|--|--|--|--|--|--|--|"]
    for share, alike, images in _CASES:
        judged, plain = measure(share, alike, images)
        rows.append(f"| {share:g} | {alike:g} | {images} | {100 * judged.covers:.1f} % | {100 * judged.above:.1f} % | "
                    f"{100 * judged.below:.1f} % | {judged.width:.4f} | {100 * plain.covers:.1f} % |")
    return rows
