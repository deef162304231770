"""COCO's figures from matches, as `COCOeval.accumulate` and `summarize` of pycocotools define them."""

from dataclasses import replace
from typing import Dict, List, NamedTuple, Optional

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES, Metrics


class View(NamedTuple):
    """What a figure looks at: one of `matching.AREAS`, and so many detections of an image and a category."""

    area: int
    detections: int


ALL, _SMALL, _MEDIUM, _LARGE = (View(area, matching.MAX_DETECTIONS) for area in range(len(matching.AREAS)))
# COCO's figures: APs and ARs by what they look at, and the APs that look at one IoU threshold, by its position.
AVERAGE_PRECISIONS = {"mAP": ALL, "AP_small": _SMALL, "AP_medium": _MEDIUM, "AP_large": _LARGE}
AVERAGE_RECALLS = {"AR1": View(0, 1), "AR10": View(0, 10), "AR100": ALL, "AR_small": _SMALL, "AR_medium": _MEDIUM,
                   "AR_large": _LARGE}
AT_ONE_IOU = {"AP50": 0, "AP75": 5}


def area_of(figure: str) -> int:
    """Which of `matching.AREAS` one of COCO's figures looks at."""
    view = {**AVERAGE_PRECISIONS, **AVERAGE_RECALLS}.get(figure, ALL)
    return view.area


def unlike_pycocotools(annotations: Annotations) -> List[str]:
    """A line where pycocotools gives another AP: it takes a match with the annotation of id 0 for none."""
    if all(annotation["id"] != 0 for annotation in annotations.document["annotations"]):
        return []
    return [f"{annotations.path.name} has an annotation with id 0: pycocotools counts matches with it as false "
            "positives, so its AP is lower than the one here; number annotations from 1 to compare"]


def score(merged: Merged, annotations: Annotations) -> Metrics:
    """Score detections by COCO's rules, restricted to the evaluated images.

    Images that were not run do not count; images without ground truth or without detections do.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
    """
    return score_matches(matching.match(merged, annotations), annotations, len(merged.results))


def score_matches(matches: Matches, annotations: Annotations, detections: int) -> Metrics:
    """As `score`, from matches that are there already; `detections` is the number before matching."""
    views = {view: curves(matches, view) for view in {*AVERAGE_PRECISIONS.values(), *AVERAGE_RECALLS.values()}}
    precision = views[ALL].precision
    figures: Dict[str, Optional[float]] = {name: _mean(views[view].precision)
                                           for name, view in AVERAGE_PRECISIONS.items()}
    figures.update({name: _mean(precision[:, index]) for name, index in AT_ONE_IOU.items()})
    figures.update({name: _mean(views[view].recall) for name, view in AVERAGE_RECALLS.items()})
    names = [annotations.categories[key] for key in matches.category_ids.tolist()]
    return Metrics({name: figures[name] for name in FIGURES},
                   {name: _mean(values) for name, values in zip(names, precision)},
                   len(matches.image_ids), detections)


def ap50(matches: Matches) -> Optional[float]:
    """AP50 alone, far sooner than with all figures: float, 0..1; None without ground truth."""
    first = slice(AT_ONE_IOU["AP50"], AT_ONE_IOU["AP50"] + 1)
    # One threshold instead of all: its curve is broadcast to the others.
    return _mean(curves(replace(matches, outcomes=matches.outcomes[:, :, first]), ALL).precision[:, 0])


class Curves(NamedTuple):
    """The precision-recall curves of all categories; NaN where a category has no ground truth.

    Attributes:
        precision: float64 [category, IoU threshold, recall] the best precision at each of `matching.RECALLS` or beyond.
        recall: float64 [category, IoU threshold] the recall with all detections.
    """

    precision: np.ndarray
    recall: np.ndarray


def curves(matches: Matches, view: View = ALL) -> Curves:
    """The curves that COCO's APs are the means of, as `COCOeval.accumulate` of pycocotools has them."""
    positives = matches.positives[:, :, view.area].sum(axis=0)
    shape = [len(matches.category_ids), len(matching.IOU_THRESHOLDS)]
    precision, recall = np.full([*shape, len(matching.RECALLS)], np.nan), np.full(shape, np.nan)
    for category in np.flatnonzero(positives):
        rows = matches.ranked(category)
        rows = rows[matches.ranks[rows] < view.detections]
        outcomes = matches.outcomes[rows, view.area]
        right, wrong = (np.cumsum(outcomes == kind, axis=0, dtype=np.float64)
                        for kind in (matching.RIGHT, matching.WRONG))
        recall[category] = right[-1] / positives[category] if len(rows) else 0.0
        precision[category] = _interpolated(right / positives[category], right / (right + wrong + np.spacing(1)))
    return Curves(precision, recall)


def _interpolated(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The best precision at each of COCO's recalls or beyond: [detection, threshold] twice -> [threshold, recall]."""
    ends = np.zeros([1, precision.shape[1]])
    best = np.concatenate([np.maximum.accumulate(precision[::-1], axis=0)[::-1], ends])
    return np.stack([best[np.searchsorted(recall[:, threshold], matching.RECALLS, side="left"), threshold]
                     for threshold in range(precision.shape[1])])


def _mean(values: np.ndarray) -> Optional[float]:
    """The mean over what has ground truth; None where nothing has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
