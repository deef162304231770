"""Numerical jitter: run-to-run variation of a quantized network's figures from float32 rounding.

One rounding that falls the other way is a whole step of a quantizer, so a difference in the last bit of a float32
kernel (another machine, another version, another batch size) moves the figures a little. It is measured by scaling the
network's input by 1 + k * 1e-6, which changes nothing that matters and every rounding that is close.
"""

import math
from dataclasses import dataclass
from typing import Any, Dict, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.base.documents import Section
from quant_accuracy.scoring.intervals import student_quantile
from quant_accuracy.scoring.metrics import Metrics

# The first is the run that everything else is judged by.
SCALES = (1.0, *(1.0 + step * 1e-6 for step in (-4, -3, -2, -1, 1, 2, 3, 4)))
FLOAT_MAP, QUANTIZED_MAP, DROP = "float mAP", "quantized mAP", "mAP drop"
FIGURES = (FLOAT_MAP, QUANTIZED_MAP, DROP)
# The figures that are there for each class and each shard.
VARIANT_FIGURES = (FLOAT_MAP, QUANTIZED_MAP)
# Half of the last digit that papers print: what moves less is not worth a question.
LEAST = 0.0005
_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Jitter:
    """The figures under each of `SCALES`.

    Attributes:
        figures: The values by figure, one for each scale.
        classes: The AP of each class with ground truth, by figure (the two mAPs) and class name, one for each scale.
        shards: The mAP of each shard on its own, by figure (the two mAPs) and the shard's digest, one for each scale.
    """

    figures: Mapping[str, Tuple[float, ...]]
    classes: Mapping[str, Mapping[str, Tuple[float, ...]]]
    shards: Mapping[str, Mapping[str, Tuple[float, ...]]]

    def tolerance(self, figure: str) -> float:
        """How far one of `FIGURES` may lie from its centre for no other reason: see `tolerance` of this module."""
        return tolerance(self.figures[figure])

    def class_drops(self) -> Dict[str, Tuple[float, ...]]:
        """Float AP - quantized AP by class name, one for each scale."""
        floats, quantized = (self.classes.get(figure, {}) for figure in VARIANT_FIGURES)
        return {name: tuple(a - b for a, b in zip(values, quantized[name])) for name, values in floats.items()}

    def of_shards(self, figure: str, digests: Sequence[str]) -> "Range":
        """Where the mean of the mAPs of some shards lies in 99 % of cases.

        Nine values tell a deviation to a quarter only, and among many combinations of shards some look far too quiet.
        So the deviation of their mean is taken as what it is among the values, and no smaller than what independent
        shards give that all vary as the one does that varies most.
        """
        of_all = self.shards[figure]
        values = np.array([of_all[digest] for digest in digests])
        independent = np.var(np.array(list(of_all.values())), axis=1, ddof=1).max() / len(values)
        means = values.mean(axis=0)
        deviation = float(np.sqrt(max(independent, np.var(means, ddof=1))))
        return Range(float(means.mean()), _reach(deviation, len(means), _CONFIDENCE))


class Range(NamedTuple):
    """Where a figure lies that differs by jitter only.

    Attributes:
        centre: The middle.
        tolerance: How far to either side.
    """

    centre: float
    tolerance: float


ShardMaps = Mapping[str, float]


def collect(float_metrics: Sequence[Metrics], quantized_metrics: Sequence[Metrics], float_shards: Sequence[ShardMaps],
            quantized_shards: Sequence[ShardMaps]) -> Jitter:
    """The jitter from the metrics of both variants, and of their shards on their own, under each of `SCALES`."""
    floats = tuple(float(metrics.figures["mAP"] or 0.0) for metrics in float_metrics)
    quantized = tuple(float(metrics.figures["mAP"] or 0.0) for metrics in quantized_metrics)
    known = [name for name, ap in float_metrics[0].per_class.items() if ap is not None]
    classes = {figure: {name: tuple(float(metrics.per_class[name] or 0.0) for metrics in found) for name in known}
               for figure, found in zip(VARIANT_FIGURES, (float_metrics, quantized_metrics))}
    shards = {figure: {name: tuple(maps[name] for maps in found) for name in found[0]}
              for figure, found in zip(VARIANT_FIGURES, (float_shards, quantized_shards))}
    drops = tuple(a - b for a, b in zip(floats, quantized))
    return Jitter({FLOAT_MAP: floats, QUANTIZED_MAP: quantized, DROP: drops}, classes, shards)


def centre(values: Tuple[float, ...]) -> float:
    """The middle of the jitter: the mean of the values."""
    return float(np.mean(values))


def tolerance(values: Tuple[float, ...], confidence: float = _CONFIDENCE) -> float:
    """How far from the centre a value may lie that differs by jitter only, in 99 % of cases; never below 0.0005.

    The prediction interval for one more value of a normal distribution, from `n` values with deviation `s`:
    t(99 %, n - 1) * s * sqrt(1 + 1 / n) (Hahn and Meeker, Statistical Intervals, 1991).
    """
    return _reach(float(np.std(values, ddof=1)), len(values), confidence)


def of_values(values: Tuple[float, ...], confidence: float = _CONFIDENCE) -> Range:
    """Where one more value of the same kind lies with this confidence: see `tolerance`."""
    return Range(centre(values), tolerance(values, confidence))


def _reach(deviation: float, count: int, confidence: float) -> float:
    return max(LEAST, student_quantile(confidence, count - 1) * deviation * math.sqrt(1.0 + 1.0 / count))


def as_document(jitter: Jitter) -> Mapping[str, Any]:
    """JSON-like."""
    return {"scales": list(SCALES), "figures": {name: list(values) for name, values in jitter.figures.items()},
            **{key: {figure: {name: list(values) for name, values in of_figure.items()}
                    for figure, of_figure in by_figure.items()}
               for key, by_figure in (("classes", jitter.classes), ("shards", jitter.shards))}}


def from_document(section: Section) -> Jitter:
    """Read what `as_document` gives.

    Raises:
        ConfigurationError: It is something else.
    """
    section.only("scales", "figures", "classes", "shards")
    figures = section.section("figures").only(*FIGURES)
    classes, shards = (section.section(key).only(*VARIANT_FIGURES) for key in ("classes", "shards"))
    return Jitter({name: figures.numbers(name, len(SCALES)) for name in FIGURES},
                  *({figure: _series(by_figure.section(figure)) for figure in VARIANT_FIGURES}
                    for by_figure in (classes, shards)))


def _series(section: Section) -> Mapping[str, Tuple[float, ...]]:
    return {name: section.numbers(name, len(SCALES)) for name in section.items()}
