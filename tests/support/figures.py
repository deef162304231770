"""Figures to be judged."""

from typing import Any, Dict, Optional

import numpy as np

from quant_accuracy.judging.verdicts import Classes, Figures, Part
from quant_accuracy.scoring.metrics import FIGURES, Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps


def metrics(mean_ap: Optional[float], **classes: float) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


def figures_of(before: Metrics, after: Metrics, part: Optional[Part] = None, images: int = 40, deviation: float = 0.0,
               **more: Any) -> Figures:
    """Figures of a data set whose classes all stand in so many evaluated images."""
    count = len(before.per_class)
    evaluated = np.full(count, images)
    classes = Classes(ClassImages(evaluated, 10 * evaluated), np.full(count, deviation), 2 * evaluated)
    known: Dict[str, Any] = {"shard_maps": None, "baseline": None, "jitter": None, "provenance": {}, **more}
    return Figures(before, after, classes, part, model="mine", **known)


def part_of(before: np.ndarray, after: np.ndarray, absent: int = 0, images: int = 40) -> Part:
    """Resamples of a data set of one class, and so many others that no evaluated image shows."""
    nothing = np.full([len(before), absent], np.nan)
    samples = [np.concatenate([side[:, None], nothing], axis=1) for side in (before, after)]
    values = [np.concatenate([[side.mean()], nothing[0]]) for side in (before, after)]
    shown = ClassImages(np.array([images, *[0] * absent]), np.array([400, *[5] * absent]))
    return Part(PartialAps(values[0], values[1], samples[0], samples[1], shown), images=40, shards=2, others=8)


def all_metrics(mean_ap: float, **classes: Any) -> Metrics:
    return Metrics({**dict.fromkeys(FIGURES), "mAP": mean_ap}, classes, 10, 100)
