"""Whether detections and annotations number categories alike.

Ids alone do not tell: annotations may hold some of a model's classes, and a model may know ids that COCO has left out.
What tells is what lies at the same place. An object that is found well but always under another id, and an id that is
found at objects of one other category only, are one category with two numbers.
"""

from collections import Counter
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.base.errors import shown
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.chunks import chunks
from quant_accuracy.scoring.matching import Truth

# A detection is at the place of an object from this IoU on, that of AP50.
_SAME_PLACE = 0.5
# Detections of an image that are looked at, best first: it is about what a model sees well.
_DETECTIONS = 20
# Objects of a category that have to be found before it is judged.
_OBJECTS = 2
# A category has another number where this share of its found objects carries it, and at most that one its own ...
_OTHER, _OWN = 2 / 3, 0.1
# ... and where this share of the objects found under that number is of the category.
_BACK = 0.5
# The two number differently where this share of the judged categories has another number, and so many objects say so.
_CATEGORIES, _EVIDENCE = 0.5, 10
# Two categories or one may be found wrongly by a bad model: they take more objects, and all but this share of them.
_FEW, _EVIDENCE_OF_FEW, _OTHER_OF_FEW = 2, 20, 0.9
# Pairs of detection and object that are held at once.
_CHUNK = 200_000
# Of the categories with another number: from this share on it is a shift.
_SHIFTED = 0.5
_SHOWN = 5


class Renamed(NamedTuple):
    """A category of the annotations that detections have under another id.

    Attributes:
        category: Its id in the annotations.
        detected: Its id in the detections.
        objects: How many of its objects were found under that id.
        found: How many of its objects were found under any.
    """

    category: int
    detected: int
    objects: int
    found: int


class Numbering(NamedTuple):
    """What detections at the places of objects say about category ids.

    Attributes:
        found: Objects of the annotations that were found, whatever their category.
        agreeing: Those of them whose best detection has their category id.
        judged: Categories of which enough objects were found.
        renamed: Those of them that have another id in the detections, most objects first.
    """

    found: int
    agreeing: int
    judged: int
    renamed: Sequence[Renamed]

    def differs(self) -> bool:
        """Whether the two number categories differently beyond doubt."""
        objects = sum(item.objects for item in self.renamed)
        if self.judged <= _FEW and any(item.objects < _OTHER_OF_FEW * item.found for item in self.renamed):
            return False
        return len(self.renamed) >= max(1.0, _CATEGORIES * self.judged) \
            and objects >= (_EVIDENCE_OF_FEW if self.judged <= _FEW else _EVIDENCE)

    def swapped(self) -> List[Tuple[int, int]]:
        """Pairs of categories each of which is found as the other: ids of the annotations, the smaller one first."""
        other = {item.category: item.detected for item in self.renamed}
        return sorted((category, detected) for category, detected in other.items()
                      if category < detected and other.get(detected) == category)

    def line(self, annotations: Annotations) -> str:
        """What was found, for a message."""
        pairs = ", ".join(f"{item.category} ({shown(annotations.categories[item.category])}) as {item.detected}"
                          for item in sorted(self.renamed)[:_SHOWN])
        offsets = Counter(item.detected - item.category for item in self.renamed)
        (offset, times), = offsets.most_common(1) or [(0, 0)]
        shift = f", {times} of them shifted by {offset:+d}" if times > _SHIFTED * len(self.renamed) else ""
        return (f"of {self.found} objects that are found, {self.agreeing} are found under their category id, and "
                f"{len(self.renamed)} of {self.judged} categories under another one{shift}: {pairs}"
                f"{', ...' if len(self.renamed) > _SHOWN else ''}")


def unknown_categories(results: Results, annotations: Annotations) -> Dict[int, int]:
    """How many detections have each category id that the annotations lack; scoring leaves them out."""
    ids, counts = np.unique(results.categories, return_counts=True)
    return {category: count for category, count in zip(ids.tolist(), counts.tolist())
            if category not in annotations.categories}


def unknown_line(unknown: Mapping[int, int], detections: int) -> str:
    """`unknown_categories` in words, of so many detections; there has to be one."""
    most = sorted(unknown, key=lambda category: (-unknown[category], category))[:_SHOWN]
    return (f"{sum(unknown.values())} of {detections} detections have a category id that the annotations lack "
            f"({', '.join(map(str, most))}{', ...' if len(unknown) > _SHOWN else ''}), and do not count; "
            "expected if the annotations cover only part of the model's classes")


def compare(merged: Merged, annotations: Annotations) -> Numbering:
    """See which category ids detections have at the places of objects.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
    """
    truth = matching.ground_truth(annotations, merged.image_ids)
    truth = truth.take(~truth.crowd)
    truth = truth.take(np.argsort(truth.images, kind="stable"))
    objects, labels = _best_detections(_best_of_images(merged.results), truth)
    if not len(objects):
        return Numbering(0, 0, 0, [])
    pairs, counts = np.unique(np.stack([truth.categories[objects], labels]), axis=1, return_counts=True)
    own, other = pairs
    judged = 0
    renamed = []
    for category in np.unique(own).tolist():
        mine = own == category
        found = int(counts[mine].sum())
        if found < _OBJECTS:
            continue
        judged += 1
        best = np.flatnonzero(mine)[np.argmax(counts[mine])]
        same = int(counts[mine & (other == category)].sum())
        if other[best] != category and counts[best] >= _OTHER * found and same <= _OWN * found \
                and counts[best] >= _BACK * counts[other == other[best]].sum():
            renamed.append(Renamed(category, int(other[best]), int(counts[best]), found))
    renamed.sort(key=lambda item: (-item.objects, item.category))
    return Numbering(len(objects), int(counts[own == other].sum()), judged, renamed)


def _best_of_images(results: Results) -> Results:
    """The best detections of each image, sorted by image."""
    order = np.lexsort((-results.scores, results.images))
    images = results.images[order]
    rank = np.arange(len(order)) - np.searchsorted(images, images)
    return results.take(order[rank < _DETECTIONS])


def _best_detections(results: Results, truth: Truth) -> Tuple[np.ndarray, np.ndarray]:
    """The objects that are found, and the category id of the best detection at the place of each: int64 [f] twice."""
    first = np.searchsorted(truth.images, results.images, side="left")
    each = np.searchsorted(truth.images, results.images, side="right") - first
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start, end in chunks(each, _CHUNK):
        rows = np.repeat(np.arange(start, end), each[start:end])
        before = np.cumsum(each[start:end]) - each[start:end]
        objects = np.arange(len(rows)) - np.repeat(before, each[start:end]) + first[rows]
        overlaps = matching.iou(results.boxes[rows], truth.boxes[objects], np.zeros(len(rows), bool))
        near = overlaps >= _SAME_PLACE
        parts.append((objects[near], rows[near]))
    objects, rows = (np.concatenate(column) for column in zip(*parts))
    order = np.lexsort((-results.scores[rows], objects))
    found, best = np.unique(objects[order], return_index=True)
    return found, results.categories[rows[order][best]]
