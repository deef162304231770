"""Numerical jitter: how far the figures of a quantized network move for no reason.

One rounding that falls the other way is a whole step of a quantizer, so a difference in the last bit of a float32
kernel (another machine, another version, another batch size) moves the figures a little. It is measured by scaling the
network's input by 1 + k * 1e-6, which changes nothing that matters and every rounding that is close.
"""

from dataclasses import dataclass
from typing import Any, Mapping, Sequence, Tuple

import numpy as np

from quant_accuracy.document import Section
from quant_accuracy.scoring.metrics import Metrics

# The first is the run that everything else is judged by.
SCALES = (1.0, *(1.0 + step * 1e-6 for step in (-4, -3, -2, -1, 1, 2, 3, 4)))
FLOAT_MAP, QUANTIZED_MAP, DROP = "float mAP", "quantized mAP", "mAP drop"
FIGURES = (FLOAT_MAP, QUANTIZED_MAP, DROP)
# Student's t: 99 % of all values lie within so many deviations, with one degree of freedom less than there are scales.
_T_99 = 3.3554
# Half of the last digit that papers print: what moves less is not worth a question.
LEAST = 0.0005


@dataclass(frozen=True)
class Jitter:
    """The figures under each of `SCALES`.

    Attributes:
        figures: The values by figure, one for each scale.
        class_drops: Float AP - quantized AP by category name, one for each scale; only categories with ground truth.
        shards: The mAP of each shard on its own, by figure (the two mAPs) and file name.
    """

    figures: Mapping[str, Tuple[float, ...]]
    class_drops: Mapping[str, Tuple[float, ...]]
    shards: Mapping[str, Mapping[str, Tuple[float, ...]]]

    def of_shards(self, figure: str, names: Sequence[str]) -> Tuple[float, ...]:
        """The mean of the mAPs of some shards, one for each scale."""
        return tuple(np.mean([self.shards[figure][name] for name in names], axis=0).tolist())


ShardMaps = Mapping[str, float]


def collect(float_metrics: Sequence[Metrics], quantized_metrics: Sequence[Metrics], float_shards: Sequence[ShardMaps],
            quantized_shards: Sequence[ShardMaps]) -> Jitter:
    """The jitter from the metrics of both variants, and of their shards on their own, under each of `SCALES`."""
    before = tuple(float(metrics.figures["mAP"] or 0.0) for metrics in float_metrics)
    after = tuple(float(metrics.figures["mAP"] or 0.0) for metrics in quantized_metrics)
    drops = {}
    for name, ap in float_metrics[0].per_class.items():
        if ap is not None:
            drops[name] = tuple(float(a.per_class[name] or 0.0) - float(b.per_class[name] or 0.0)
                                for a, b in zip(float_metrics, quantized_metrics))
    shards = {figure: {name: tuple(maps[name] for maps in found) for name in found[0]}
              for figure, found in ((FLOAT_MAP, float_shards), (QUANTIZED_MAP, quantized_shards))}
    return Jitter({FLOAT_MAP: before, QUANTIZED_MAP: after, DROP: tuple(a - b for a, b in zip(before, after))}, drops,
                  shards)


def centre(values: Tuple[float, ...]) -> float:
    """The middle of the jitter: the mean of the values."""
    return float(np.mean(values))


def tolerance(values: Tuple[float, ...]) -> float:
    """How far from the centre a value may lie that differs by jitter only, in 99 % of cases; never below 0.0005.

    The prediction interval for one more value of a normal distribution, from `n` values with deviation `s`:
    t(99 %, n - 1) * s * sqrt(1 + 1 / n) (Hahn and Meeker, Statistical Intervals, 1991).
    """
    count = len(values)
    return max(LEAST, float(_T_99 * np.std(values, ddof=1) * np.sqrt(1.0 + 1.0 / count)))


def as_document(jitter: Jitter) -> Mapping[str, Any]:
    """JSON-like."""
    return {"scales": list(SCALES), "figures": {name: list(values) for name, values in jitter.figures.items()},
            "class_drops": {name: list(values) for name, values in jitter.class_drops.items()},
            "shards": {figure: {name: list(values) for name, values in shards.items()}
                       for figure, shards in jitter.shards.items()}}


def from_document(section: Section) -> Jitter:
    """Read what `as_document` gives.

    Raises:
        ConfigurationError: It is something else.
    """
    section.only("scales", "figures", "class_drops", "shards")
    figures = section.section("figures").only(*FIGURES)
    shards = section.section("shards").only(FLOAT_MAP, QUANTIZED_MAP)
    return Jitter({name: figures.numbers(name, len(SCALES)) for name in FIGURES},
                  _series(section.section("class_drops")),
                  {name: _series(shards.section(name)) for name in (FLOAT_MAP, QUANTIZED_MAP)})


def _series(section: Section) -> Mapping[str, Tuple[float, ...]]:
    return {name: section.numbers(name, len(SCALES)) for name in section.items()}
