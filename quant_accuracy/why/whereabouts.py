"""Where the lost AP is: by class, by kind of error, by image."""

import math
from dataclasses import dataclass
from typing import Dict, Optional, Sequence

import numpy as np

from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.scoring import attribution, bootstrap, error_kinds
from quant_accuracy.why import goal as goals

_NAMED = 3


@dataclass(frozen=True)
class ClassShare:
    """What a class contributes to the mAP drop.

    Attributes:
        name: The class.
        drop: Its float AP - quantized AP.
        share: Of the mAP drop, which is the mean over the classes; None where that is no loss.
    """

    name: str
    drop: float
    share: Optional[float]


@dataclass(frozen=True)
class Attribution:
    """Where the lost AP is.

    Attributes:
        classes: All classes, the largest drop first.
        errors: What each kind of error costs in AP50 more than in the float variant, the most first.
        image_ids: The images whose own AP lost most, a dozen at most.
        drop_without: The mAP drop without these images; None where nothing is left of it.
    """

    classes: Sequence[ClassShare]
    errors: Dict[str, float]
    image_ids: Sequence[int]
    drop_without: Optional[float]

    def line(self) -> str:
        """The most of it in a sentence."""
        classes = ", ".join(f"{item.name} {item.drop:.4f}" for item in self.classes[:_NAMED] if item.drop > 0)
        parts = [f"AP drop by class {classes}" if classes else "no class lost AP"]
        kinds = [f"{kind} {dap:+.4f}" for kind, dap in self.errors.items() if dap > 0][:1]
        parts += [f"AP50 lost to errors of kind {kinds[0]}"] if kinds else []
        if self.image_ids and self.drop_without is not None:
            few = ", ".join(map(str, self.image_ids[:_NAMED]))
            more = len(self.image_ids) - _NAMED
            parts.append(f"without images {few}{f' and {more} more' if more > 0 else ''} the mAP drop would be "
                         f"{self.drop_without:.4f}")
        return "; ".join(parts)


def of_evaluation(evaluation: Evaluation) -> Attribution:
    """Where the AP is that the quantized variant lost."""
    floats, quantized = (evaluation.variants[name] for name in (FLOAT, QUANTIZED))
    drops = goals.class_drops(floats.metrics, quantized.metrics)
    total = sum(drops.values())
    classes = [ClassShare(name, drop, drop / total if total > 0 else None) for name, drop in drops.items()]
    truth = evaluation.prepared.truth
    kinds = error_kinds.difference(*(error_kinds.analyse(variant.merged, truth, variant.matches)
                                     for variant in (floats, quantized)))
    errors = {kind: dap for kind, dap in kinds.dap.items() if dap is not None}
    changed = attribution.changed_images(floats.matches, quantized.matches)
    without = ~np.isin(floats.matches.image_ids, changed)
    maps = [bootstrap.mean_aps(variant.matches, without[None].astype(np.int64))[0] for variant in (floats, quantized)]
    drop = float(maps[0] - maps[1])
    return Attribution(sorted(classes, key=lambda item: (-item.drop, item.name)),
                       dict(sorted(errors.items(), key=lambda item: -item[1])), changed,
                       None if math.isnan(drop) else drop)
