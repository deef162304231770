"""The vocabulary of judging: what there is to judge by, what is allowed, and what gates and checks say."""

import math
from dataclasses import dataclass
from typing import Mapping, NamedTuple, Optional

import numpy as np

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.scoring.agreement import Agreement
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
# It fails, and the model card says why.
KNOWN = "known"
OUTCOMES = (PASS, FAIL, INCONCLUSIVE, KNOWN)
# A gate limits a figure; a check says what has to hold whatever the figures are.
GATE, CHECK = "gate", "check"
# A detector with such an mAP finds next to nothing: boxes whose x and y are swapped reach as much.
NEAR_ZERO = 0.01


class Part(NamedTuple):
    """What a part of the data set says of the whole.

    Attributes:
        aps: The class APs of both variants on the same resamples of the evaluated images.
        images: Number of evaluated images.
        shards: Number of shards that they come from.
        others: Number of shards that were not evaluated.
    """

    aps: PartialAps
    images: int
    shards: int
    others: int


class Classes(NamedTuple):
    """What is known of each class, in the order of `Metrics.per_class`.

    Attributes:
        images: How many images show it.
        deviations: float64 [c] standard deviation of its AP drop on resamples of the evaluated images; NaN where less
            than two resamples have ground truth of it.
        objects: int64 [c] number of its objects in the evaluated images, as COCO counts them.
    """

    images: ClassImages
    deviations: np.ndarray
    objects: np.ndarray


class DeviceFigures(NamedTuple):
    """What there is to judge a device by: all variants on the images that it has run.

    Attributes:
        float_metrics: The metrics of the float variant on these images.
        quantized_metrics: The metrics of the quantized variant, the simulation, on these images.
        metrics: The metrics of the device.
        agreement: Which detections of the simulation the device has too.
        extra: The other way round: which detections of the device the simulation has too.
        agreement_interval: Where the share that agrees lies on the whole data set, 95 % confidence; None where the
            device has run all of it, or there is nothing to agree on.
        part: What these images say of all, with the simulation in place of the float and the device in place of the
            quantized variant; None where the device has run the whole data set.
        missing: Number of evaluated images that the device has not run.
    """

    float_metrics: Metrics
    quantized_metrics: Metrics
    metrics: Metrics
    agreement: Agreement
    extra: Agreement
    agreement_interval: Optional[Interval]
    part: Optional[Part]
    missing: int = 0


class Figures(NamedTuple):
    """What there is to judge by.

    Attributes:
        float_metrics: The metrics of the float variant.
        quantized_metrics: The metrics of the quantized variant.
        classes: How certain the figures of each class are.
        part: What the evaluated images say of all; None where all were evaluated.
        shard_maps: The mAP of each evaluated shard on its own, by `jitter` figure and digest of the shard; None where a
            shard was evaluated in part only.
        baseline: What was committed; None where nothing was.
        jitter: Their run-to-run variation from float32 rounding; None where it is not known.
        provenance: What the metrics were measured from.
        model: How to make the baseline, as `Request.remake` has it, for messages.
        device: What there is to judge a device by; None where there is none.
    """

    float_metrics: Metrics
    quantized_metrics: Metrics
    classes: Classes
    part: Optional[Part]
    shard_maps: Optional[Mapping[str, Mapping[str, float]]]
    baseline: Optional[Baseline]
    jitter: Optional[Jitter]
    provenance: Mapping[str, object]
    model: str
    device: Optional[DeviceFigures] = None


@dataclass(frozen=True)
class Verdict:
    """What a gate or a check says.

    Attributes:
        gate: Name of the gate, as in the model card, or of the check.
        value: What was measured; None where there is nothing to compare with.
        lower: The smallest value that is allowed; None where any is.
        upper: The largest value that is allowed; None where any is.
        outcome: `pass`, `fail`, `inconclusive` or `known`.
        message: One sentence with the numbers; of a failed check, what is wrong stands below it, a thing a line.
        interval: Where the value lies with 95 % confidence, when only a part of the data set was evaluated; of a class
            always.
        jitter: Its run-to-run variation from float32 rounding; None where it is not known.
        figure: What the value is, where that is not the figure that the gate is named after.
        kind: `gate` or `check`.
        known_failure: Why it is known to fail, as the model card says; None where it says nothing.
    """

    gate: str
    value: Optional[float]
    lower: Optional[float]
    upper: Optional[float]
    outcome: str
    message: str
    interval: Optional[Interval] = None
    jitter: Optional[float] = None
    figure: Optional[str] = None
    kind: str = GATE
    known_failure: Optional[str] = None


class Bounds(NamedTuple):
    """What is allowed, both ends included; None where an end is open."""

    lower: Optional[float]
    upper: Optional[float]

    def outcome(self, where: Interval) -> str:
        """`pass` when all of the interval is allowed, `fail` when nothing of it is, else `inconclusive`."""
        low, high = (-math.inf if self.lower is None else self.lower), (math.inf if self.upper is None else self.upper)
        if low <= where.low and where.high <= high:
            return PASS
        return FAIL if where.high < low or where.low > high else INCONCLUSIVE

    def distance(self, value: float) -> float:
        """How far a value lies from the nearer end."""
        return min((abs(value - end) for end in self if end is not None), default=math.inf)

    def relation(self, outcome: str) -> str:
        """In words, how a value with this outcome stands to the bounds."""
        if self.lower is not None and self.upper is not None:
            words = {PASS: "lies within", FAIL: "lies outside of", INCONCLUSIVE: "may lie within or outside of"}
            return f"{words[outcome]} {self.lower:.4f} .. {self.upper:.4f}"
        limit = f"{self.upper if self.lower is None else self.lower:g}"
        if outcome == INCONCLUSIVE:
            return f"may lie on either side of {limit}"
        good, bad = ("is at least", "is below") if self.upper is None else ("is at most", "is above")
        return f"{good if outcome == PASS else bad} {limit}"


def remedy(value: float, allowed: Bounds, interval: Optional[Interval], part: Optional[Part]) -> str:
    """How many more shards would probably settle it: an interval narrows with the root of the number of images."""
    if interval is None or part is None:
        return ""
    needed = 0.0
    for limit in allowed:
        if limit is not None:
            reach, distance = (value - interval.low if limit < value else interval.high - value), abs(value - limit)
            images = part.images * (reach / distance) ** 2 - part.images if distance > 0 else math.inf
            needed = max(needed, images / (part.images / part.shards))
    if not 0 < needed <= part.others:
        return "; evaluate all shards"
    return f"; {shards(math.ceil(needed), 'more ')} would probably settle it"


def shards(count: int, which: str = "") -> str:
    """So many shards, in words: `1 shard`, `3 more shards`."""
    return f"{count} {which}shard{'' if count == 1 else 's'}"


def mean_ap(metrics: Metrics) -> float:
    """The mAP of a variant.

    Raises:
        QuantAccuracyError: There is none, since no evaluated image has ground truth.
    """
    value: Optional[float] = metrics.figures["mAP"]
    if value is None:
        raise no_truth()
    return value


def no_truth() -> QuantAccuracyError:
    """The error where nothing can be judged."""
    return QuantAccuracyError("there is no ground truth in the evaluated images, so there is no mAP; "
                              "evaluate more shards, or name the annotations of these images with "
                              "--annotation-json-file")
