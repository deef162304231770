"""Which class is taken for which: a confusion matrix of detections from a score on.

In each image detections take objects of whatever class, best score first, each the free one that it overlaps most, at
an IoU of 0.50 and more; of equal overlaps one of its own class, and of these the last. Crowds are no objects, and a
detection that has taken nothing and lies within one counts for nothing, as COCO has it.
"""

from dataclasses import dataclass
from typing import List

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring import matching

SCORE = 0.3
IOU = float(matching.IOU_THRESHOLDS[0])


@dataclass(frozen=True)
class Confusion:
    """How often objects of one class were detected as another.

    Attributes:
        category_ids: int64 [c], sorted.
        counts: int64 [c + 1, c + 1] objects of the row's class that were detected as the column's; the last row counts
            detections of no object, the last column objects that nothing detected.
    """

    category_ids: np.ndarray
    counts: np.ndarray


def measure(merged: Merged, annotations: Annotations, score: float = SCORE) -> Confusion:
    """Count what the detections of one variant take for what.

    Detections of categories that the annotations lack are left out.

    Args:
        merged: The detections.
        annotations: The ground truth.
        score: Detections with less are left out.
    """
    ids = np.array(sorted(annotations.categories), np.int64)
    results = merged.results
    results = results.take(np.flatnonzero((results.scores >= score) & np.isin(results.categories, ids)))
    results = results.take(np.lexsort((-results.scores, results.images)))
    truth = matching.ground_truth(annotations, merged.image_ids)
    truth = truth.take(np.argsort(truth.images, kind="stable"))
    counts = np.zeros([len(ids) + 1, len(ids) + 1], np.int64)
    found, wanted = np.searchsorted(ids, results.categories), np.searchsorted(ids, truth.categories)
    for image in merged.image_ids.tolist():
        own = slice(*np.searchsorted(results.images, [image, image + 1]).tolist())
        there = slice(*np.searchsorted(truth.images, [image, image + 1]).tolist())
        pairs = matching.iou(results.boxes[own][:, None], truth.boxes[there][None], truth.crowd[there][None])
        _count(counts, found[own].tolist(), wanted[there], pairs, truth.crowd[there])
    return Confusion(ids, counts)


def _count(counts: np.ndarray, found: List[int], wanted: np.ndarray, overlaps: np.ndarray, crowd: np.ndarray) -> None:
    """Add the detections and objects of one image.

    Args:
        counts: See `Confusion`.
        found: The class of each detection, best score first.
        wanted: int64 [t] the class of each object.
        overlaps: float64 [d, t].
        crowd: bool [t].
    """
    nothing, free = len(counts) - 1, ~crowd
    for place, name in enumerate(found):
        # One of its own class wins among equals, and no tie is as small as this.
        near = np.where(free & (overlaps[place] >= IOU), overlaps[place] + 1e-9 * (wanted == name), 0.0)
        if near.any():
            taken = len(near) - 1 - int(np.argmax(near[::-1]))
            free[taken] = False
            counts[wanted[taken], name] += 1
        elif not (crowd & (overlaps[place] >= IOU)).any():
            counts[nothing, name] += 1
    np.add.at(counts, (wanted[free], nothing), 1)
