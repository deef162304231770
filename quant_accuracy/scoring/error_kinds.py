"""Where the lost AP went: the six kinds of error of TIDE, and what AP50 would gain without each.

Bolya, Foley, Hays, Hoffman: TIDE, a general toolbox for identifying object detection errors, ECCV 2020
(arXiv 2008.08115), sections 2.2 and 2.3. Matching and AP50 are those of `matching` and `scoring`, with COCO's rules for
what is no error: a detection that takes a crowd of its class, or is unmatched and outside the area range, is neither
right nor wrong, and crowds and annotations outside the area range are no objects, neither to be missed nor to be
confused with. Detections beyond the 100 best of an image and a category, and those of unknown categories, are left out.
"""

from dataclasses import dataclass, replace
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring import coco, matching
from quant_accuracy.scoring.chunks import chunks
from quant_accuracy.scoring.matching import Matches

# In the order of the paper.
KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
FOREGROUND_IOU = float(matching.IOU_THRESHOLDS[0])
BACKGROUND_IOU = 0.1

_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(len(KINDS))
_NO_ERROR = -1
# Pairs of a detection and an object whose overlap is computed at once.
_CHUNK = 50_000


@dataclass(frozen=True)
class ErrorKinds:
    """The errors of one variant, or by how much those of two variants differ.

    Attributes:
        ap50: AP50, 0..1; None without ground truth.
        counts: Number of errors by kind: false positives, and objects for `missed`.
        dap: The paper's dAP by kind: AP50 after mending this kind alone, minus AP50, 0..1; None without ground truth,
            also where mending leaves none because every object is missed.
    """

    ap50: Optional[float]
    counts: Mapping[str, int]
    dap: Mapping[str, Optional[float]]


class _Objects(NamedTuple):
    """The ground truth that should be found, sorted by image.

    Attributes:
        boxes: float64 [t, 4] x, y, width, height in pixels.
        images: int64 [t] positions in `Matches.image_ids`.
        categories: int64 [t] positions in `Matches.category_ids`.
    """

    boxes: np.ndarray
    images: np.ndarray
    categories: np.ndarray


class _Pairs(NamedTuple):
    """Detections and objects of the same image that overlap by `BACKGROUND_IOU` at least, sorted by both.

    Attributes:
        detections: int64 [p] rows of `Matches`.
        objects: int64 [p] rows of `_Objects`.
        ious: float64 [p] 0.1..1.
        same: bool [p] their categories are the same.
    """

    detections: np.ndarray
    objects: np.ndarray
    ious: np.ndarray
    same: np.ndarray


class _Errors(NamedTuple):
    """What is wrong with each detection and each object.

    Attributes:
        kinds: int64 [d] positions in `KINDS`, or `_NO_ERROR`.
        repaired: bool [d] a classification or localisation error whose mending finds a new object.
        targets: int64 [d] rows of `_Objects` that classification and localisation errors should have found, else -1.
        missed: bool [t] no detection found it, and no classification or localisation error explains that.
    """

    kinds: np.ndarray
    repaired: np.ndarray
    targets: np.ndarray
    missed: np.ndarray


def analyse(merged: Merged, annotations: Annotations, matches: Optional[Matches] = None) -> ErrorKinds:
    """Count the errors of each kind, and measure what AP50 would gain without them.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
        matches: What `matching.match` makes of the two, where it is known already.
    """
    matches = matching.match(merged, annotations) if matches is None else matches
    # AP50 looks at the first area and IoU threshold only: the rest is most of the memory.
    matches = replace(matches, outcomes=matches.outcomes[:, :1, :1])
    objects = _objects(annotations, matches)
    errors = _errors(matches, objects, _pairs(merged.results.boxes, matches, objects))
    ap50 = coco.ap50(matches)
    counts = np.bincount(errors.kinds[errors.kinds != _NO_ERROR], minlength=len(KINDS))
    counts[_MISSED] = errors.missed.sum()
    dap: Dict[str, Optional[float]] = {}
    for kind, name in enumerate(KINDS):
        # What is not there cannot be mended, which saves scoring.
        dap[name] = _minus(coco.ap50(_mended(matches, objects, errors, kind)) if counts[kind] else ap50, ap50)
    return ErrorKinds(ap50, dict(zip(KINDS, counts.tolist())), dap)


def by_class(merged: Merged, annotations: Annotations, score: float) -> np.ndarray:
    """The errors of each class among the detections with this score and more.

    Returns:
        int64 [c, kind]: false positives that say this class, and for `missed` its objects that no detection found or
        nearly found; classes in the order of their ids.
    """
    results = merged.results
    merged = merged._replace(results=results.take(results.scores >= score))
    matches = matching.match(merged, annotations)
    objects = _objects(annotations, matches)
    errors = _errors(matches, objects, _pairs(merged.results.boxes, matches, objects))
    counts = np.zeros([len(matches.category_ids), len(KINDS)], np.int64)
    wrong = errors.kinds != _NO_ERROR
    np.add.at(counts, (matches.categories[wrong], errors.kinds[wrong]), 1)
    np.add.at(counts, (objects.categories[errors.missed], _MISSED), 1)
    return counts


def difference(floats: ErrorKinds, quantized: ErrorKinds) -> ErrorKinds:
    """What `after` has more than `before`, by kind: a positive dAP is AP50 that this kind costs in addition."""
    return ErrorKinds(_minus(quantized.ap50, floats.ap50),
                      {kind: quantized.counts[kind] - floats.counts[kind] for kind in KINDS},
                      {kind: _minus(quantized.dap[kind], floats.dap[kind]) for kind in KINDS})


def _minus(first: Optional[float], second: Optional[float]) -> Optional[float]:
    return None if first is None or second is None else first - second


def _objects(annotations: Annotations, matches: Matches) -> _Objects:
    """The objects of the evaluated images, each image's in the order of the annotations."""
    truth = matching.ground_truth(annotations, matches.image_ids)
    truth = truth.take(~(truth.crowd | matching.outside_areas(truth.areas)[:, 0]))
    truth = truth.take(np.argsort(truth.images, kind="stable"))
    return _Objects(truth.boxes, np.searchsorted(matches.image_ids, truth.images),
                    np.searchsorted(matches.category_ids, truth.categories))


def _pairs(found: np.ndarray, matches: Matches, objects: _Objects) -> _Pairs:
    """All pairs that overlap; the time grows with the sum over images of detections times objects.

    Args:
        found: The boxes that the matches are of; see `Results`.
        matches: What matching made of it.
        objects: The ground truth.
    """
    counts = np.bincount(objects.images, minlength=len(matches.image_ids))
    starts = np.cumsum(counts) - counts
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for first, end in chunks(counts[matches.images], _CHUNK):
        images = matches.images[first:end]
        each = counts[images]
        detections = np.repeat(np.arange(first, end), each)
        rank = np.arange(len(detections)) - np.repeat(np.cumsum(each) - each, each)
        partners = np.repeat(starts[images], each) + rank
        boxes, no_crowds = found[matches.rows[detections]], np.zeros(len(detections), bool)
        ious = matching.iou(boxes, objects.boxes[partners], no_crowds)
        near = ious >= BACKGROUND_IOU
        parts.append((detections[near], partners[near], ious[near]))
    rows, partners, overlaps = (np.concatenate(column) for column in zip(*parts))
    return _Pairs(rows, partners, overlaps, matches.categories[rows] == objects.categories[partners])


def _errors(matches: Matches, objects: _Objects, pairs: _Pairs) -> _Errors:
    """Give each false positive its kind, as section 2.2 of the paper defines them.

    Where several kinds apply the order is that of the authors' program: localisation, classification, duplicate.
    """
    outcomes = matches.outcomes[:, 0, 0]
    own, own_object = _best(pairs, pairs.same, len(outcomes))
    other, other_object = _best(pairs, ~pairs.same, len(outcomes))
    kinds = np.select([outcomes != matching.WRONG, (own >= BACKGROUND_IOU) & (own < FOREGROUND_IOU),
                       other >= FOREGROUND_IOU, own >= FOREGROUND_IOU, other >= BACKGROUND_IOU],
                      [_NO_ERROR, _LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BOTH], _BACKGROUND)
    targets = np.select([kinds == _CLASSIFICATION, kinds == _LOCALISATION], [other_object, own_object], -1)
    found = _found(outcomes == matching.RIGHT, len(objects.boxes), pairs)
    useful = targets >= 0
    useful[useful] = ~found[targets[useful]]
    repaired = np.zeros(len(kinds), bool)
    for kind in (_CLASSIFICATION, _LOCALISATION):
        rows = np.flatnonzero(useful & (kinds == kind))
        repaired[_best_scores(rows, targets, matches.scores)] = True
    missed = ~found
    missed[targets[useful]] = False
    return _Errors(kinds, repaired, targets, missed)


def _best(pairs: _Pairs, chosen: np.ndarray, detections: int) -> Tuple[np.ndarray, np.ndarray]:
    """The largest overlap of each detection among the chosen pairs, and with which object; 0 and -1 where none is.

    Among equal overlaps the last object is taken, as in matching.

    Returns:
        float64 [d] and int64 [d].
    """
    rows = np.flatnonzero(chosen)
    rows = rows[np.lexsort((pairs.ious[rows], pairs.detections[rows]))]
    owner = pairs.detections[rows]
    rows = rows[np.append(owner[1:] != owner[:-1], True)[:len(rows)]]
    ious, objects = np.zeros(detections), np.full(detections, -1)
    ious[pairs.detections[rows]] = pairs.ious[rows]
    objects[pairs.detections[rows]] = pairs.objects[rows]
    return ious, objects


def _found(right: np.ndarray, objects: int, pairs: _Pairs) -> np.ndarray:
    """Which objects the true positives took, as `matching` dealt them out: bool [t].

    Args:
        right: bool [d] the true positives.
        objects: How many there are.
        pairs: Who overlaps whom.
    """
    rows = np.flatnonzero(pairs.same & right[pairs.detections] & (pairs.ious >= FOREGROUND_IOU))
    # Detections by rank; each looks at its objects by overlap, and among equal overlaps at the last one first.
    rows = rows[np.lexsort((-pairs.objects[rows], -pairs.ious[rows], pairs.detections[rows]))]
    taken = [False] * objects
    served = -1
    for detection, candidate in zip(pairs.detections[rows].tolist(), pairs.objects[rows].tolist()):
        if detection != served and not taken[candidate]:
            taken[candidate], served = True, detection
    return np.array(taken, bool)


def _best_scores(rows: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Of the rows with the same target the one with the best score: an object is found once."""
    rows = rows[np.lexsort((-scores[rows], targets[rows]))]
    _, first = np.unique(targets[rows], return_index=True)
    return np.asarray(rows[first])


def _mended(matches: Matches, objects: _Objects, errors: _Errors, kind: int) -> Matches:
    """The matches after the paper's oracle has mended one kind of error (section 2.3); all else stays.

    Classification and localisation errors become true positives of the object that they are about, unless that object
    is found already, or by a better one of these errors; they and all other false positives of the kind are dropped.
    Missed objects leave the ground truth.
    """
    if kind == _MISSED:
        positives = matches.positives.copy()
        np.subtract.at(positives, (objects.images[errors.missed], objects.categories[errors.missed], 0), 1)
        return replace(matches, positives=positives)
    of_kind = errors.kinds == kind
    repaired = of_kind & errors.repaired
    categories = matches.categories.copy()
    categories[repaired] = objects.categories[errors.targets[repaired]]
    outcomes = np.where(repaired[:, None, None], matching.RIGHT, matches.outcomes)
    rows = np.flatnonzero(~of_kind | repaired)
    rows = rows[np.lexsort((matches.images[rows], categories[rows]))]
    return replace(matches, rows=matches.rows[rows], images=matches.images[rows], categories=categories[rows],
                   ranks=matches.ranks[rows], scores=matches.scores[rows], outcomes=outcomes[rows])
