"""Parts of a report's document that are alike for all variants: unknown categories, intervals, errors, confusion,
calibration, curves.
"""

from dataclasses import asdict
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import coco, confusion, error_kinds, matching, numbering, score_calibration
from quant_accuracy.scoring.figure_intervals import Intervals

_DIGITS = 4
# Detectors give many boxes with next to no score, which nobody looks at.
LEAST_SCORE = 0.05


def unknown(evaluation: Evaluation, name: str) -> Dict[str, int]:
    """How many detections of a variant are of categories that the annotations lack, by category id."""
    found = numbering.unknown_categories(evaluation.variants[name].merged.results, evaluation.prepared.truth)
    return {str(category): count for category, count in found.items()}


def pairs(intervals: Intervals) -> Dict[str, Optional[List[float]]]:
    """Intervals as JSON has them."""
    return {name: None if interval is None else list(interval) for name, interval in intervals.items()}


def errors(evaluation: Evaluation, names: Sequence[str]) -> Dict[str, Any]:
    """The six kinds of error by variant, and by how much they differ: quantized - float."""
    truth = evaluation.prepared.truth
    variants = {name: evaluation.variants[name] for name in names}
    found = {name: error_kinds.analyse(variant.merged, truth, variant.matches) for name, variant in variants.items()}
    found["difference"] = error_kinds.difference(found[FLOAT], found[QUANTIZED])
    return {name: asdict(kinds) for name, kinds in found.items()}


def confusions(variants: Mapping[str, Variant], truth: Annotations) -> Dict[str, Any]:
    """What is taken for what, and the errors of each class, by variant: of the detections that an application shows."""
    score = confusion.SCORE
    classes = [truth.categories[key] for key in sorted(truth.categories)]
    counts, errors = {}, {}
    for name, variant in variants.items():
        merged = variant.merged
        found = confusion.measure(merged, truth).counts
        counts[name] = [[int(row), int(column), int(found[row, column])] for row, column in zip(*np.nonzero(found))]
        by_class = error_kinds.by_class(merged, truth, score)
        errors[name] = {label: dict(zip(error_kinds.KINDS, of_class)) for label, of_class in
                        zip(classes, by_class.tolist()) if any(of_class)}
    return {"score": score, "iou": confusion.IOU, "classes": classes, "counts": counts, "errors": errors}


def calibration(variants: Mapping[str, Variant]) -> Dict[str, Any]:
    """How far scores are probabilities, by variant."""
    found = {name: score_calibration.measure(variant.matches, LEAST_SCORE) for name, variant in variants.items()}
    return {name: {"counts": of.counts.tolist(), "scores": _known(of.scores), "precisions": _known(of.precisions),
                   "error": of.error} for name, of in found.items()}


def _known(values: np.ndarray) -> List[Optional[float]]:
    """Numbers as JSON has them: none for NaN."""
    return [None if np.isnan(value) else round(float(value), _DIGITS) for value in values]


def curves(evaluation: Evaluation, names: Sequence[str]) -> Dict[str, Any]:
    """Precision at COCO's recalls by variant: the mean over classes at some IoUs, and each class at IoU 0.50."""
    precision = {name: coco.curves(evaluation.variants[name].matches).precision for name in names}
    classes = list(evaluation.variants[FLOAT].metrics.per_class)
    at = coco.AT_ONE_IOU
    return {
        "recall": np.round(matching.RECALLS, _DIGITS).tolist(),
        "mean": {name: {"0.50": _mean_curve(found[:, at["AP50"]]), "0.75": _mean_curve(found[:, at["AP75"]]),
                        "0.50:0.95": _mean_curve(found.mean(axis=1))} for name, found in precision.items()},
        "classes": {label: {name: _mean_curve(found[place:place + 1, at["AP50"]])
                            for name, found in precision.items()} for place, label in enumerate(classes)},
    }


def _mean_curve(precision: np.ndarray) -> Optional[List[float]]:
    """The mean over the classes that have ground truth; None where none has: float64 [class, recall] -> [recall]."""
    known = precision[~np.isnan(precision[:, 0])]
    found: Optional[List[float]] = np.round(known.mean(axis=0), _DIGITS).tolist() if len(known) else None
    return found
