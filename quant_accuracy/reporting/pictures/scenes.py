"""What a picture of an image shows: its ground truth, and what each variant made of it at IoU 0.50."""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, Matches

_IOU = float(matching.IOU_THRESHOLDS[0])
# From the first of these scores on everything is drawn, from a later one where that would be too much.
_SCORES = (0.3, 0.5, 0.7)
_LEAST_SCORE = 0.01
# Boxes in a panel beyond the number of objects: more hide each other.
_SPARE = 8

Box = Tuple[float, ...]


class Object(NamedTuple):
    """An annotation.

    Attributes:
        box: x, y, width, height in pixels of the original image.
        name: Of its category.
        crowd: Whether it stands for many.
    """

    box: Box
    name: str
    crowd: bool


class Detection(NamedTuple):
    """A detection that is drawn.

    Attributes:
        box: x, y, width, height in pixels of the original image.
        name: Of its category.
        score: 0..1.
        outcome: `RIGHT`, `WRONG` or `UNCOUNTED`, as matching has it.
        iou: How far it overlaps the object that it took; 0 where it took none.
    """

    box: Box
    name: str
    score: float
    outcome: int
    iou: float


class Side(NamedTuple):
    """What a variant made of an image.

    Attributes:
        detections: Those that are drawn, best first.
        missed: The objects that none of these took.
    """

    detections: Sequence[Detection]
    missed: Sequence[Object]


class Scene(NamedTuple):
    """An image.

    Attributes:
        image_id: Its id.
        objects: Its ground truth.
        sides: By variant.
        score: From this score on all detections are drawn.
        least: From this score on those are drawn that the AP of the image depends on.
    """

    image_id: int
    objects: Sequence[Object]
    sides: Mapping[str, Side]
    score: float
    least: float


def scenes(annotations: Annotations, merged: Mapping[str, Merged], matches: Mapping[str, Matches],
           image_ids: Sequence[int]) -> List[Scene]:
    """The scenes of some of the evaluated images, in this order.

    Args:
        annotations: The ground truth.
        merged: The detections by variant.
        matches: What matching made of them, by variant.
        image_ids: Which images.
    """
    wanted = set(image_ids)
    objects: Dict[int, List[Mapping[str, Any]]] = {image: [] for image in image_ids}
    for thing in annotations.document["annotations"]:
        if thing["image_id"] in wanted:
            objects[thing["image_id"]].append(thing)
    found_scenes = []
    for image in image_ids:
        truth = [Object(tuple(map(float, thing["bbox"])), annotations.categories[thing["category_id"]],
                        bool(thing.get("iscrowd"))) for thing in objects[image]]
        found = {name: _detections(annotations, of_variant, merged[name], image, truth)
                 for name, of_variant in matches.items()}
        found_scenes.append(_scene(image, truth, found))
    return found_scenes


class _Candidate(NamedTuple):
    """A detection, the number of the object that it took (-1: none), and whether the AP of the image depends on it."""

    detection: Detection
    number: int
    matters: bool


def _detections(annotations: Annotations, matches: Matches, merged: Merged, image: int,
                truth: Sequence[Object]) -> List[_Candidate]:
    """All detections of an image, best first."""
    rows = np.flatnonzero(matches.images == np.searchsorted(matches.image_ids, image))
    rows = rows[np.argsort(-matches.scores[rows], kind="stable")]
    taken: List[int] = []
    found = []
    for row, box in zip(rows.tolist(), merged.results.boxes[matches.rows[rows]]):
        name = annotations.categories[int(matches.category_ids[matches.categories[row]])]
        outcome = int(matches.outcomes[row, 0, 0])
        number, overlap = -1, 0.0
        if outcome == RIGHT:
            # Matching dealt the objects out in this order: the free one that overlaps most, of equal ones the last.
            free = [place for place, thing in enumerate(truth)
                    if thing.name == name and not thing.crowd and place not in taken]
            overlaps = matching.iou(box, np.array([truth[place].box for place in free]),
                                    np.zeros(len(free), bool))
            best = len(free) - 1 - int(np.argmax(overlaps[::-1]))
            number, overlap = free[best], float(overlaps[best])
            taken.append(number)
        found.append((Detection(tuple(box.tolist()), name, float(matches.scores[row]), outcome, overlap),
                      number))
    # What is wrong costs nothing once no right detection of its class follows.
    last = {detection.name: place for place, (detection, number) in enumerate(found) if number >= 0}
    return [_Candidate(detection, number, detection.outcome != UNCOUNTED and place <= last.get(detection.name, -1))
            for place, (detection, number) in enumerate(found)]


def _scene(image: int, truth: Sequence[Object], found: Mapping[str, Sequence[_Candidate]]) -> Scene:
    """The scene with as much drawn as can be told apart, and first of all what the difference of the APs comes from."""
    most = len(truth) + _SPARE

    def readable(score: float, least: float) -> bool:
        return all(len(_drawn(candidates, score, least)) <= most for candidates in found.values())

    score = next((score for score in _SCORES if readable(score, score)), _SCORES[-1])
    lower = {math.floor(100 * candidate.detection.score) / 100
             for candidates in found.values() for candidate in candidates if candidate.number >= 0}
    least = next((least for least in sorted(lower) if _LEAST_SCORE <= least < score and readable(score, least)), score)
    return Scene(image, truth, {name: _side(_drawn(candidates, score, least), truth)
                                for name, candidates in found.items()}, score, least)


def _drawn(candidates: Sequence[_Candidate], score: float, least: float) -> List[_Candidate]:
    return [candidate for candidate in candidates
            if candidate.detection.score >= (least if candidate.matters else score)]


def _side(drawn: Sequence[_Candidate], truth: Sequence[Object]) -> Side:
    taken = {candidate.number for candidate in drawn}
    return Side([candidate.detection for candidate in drawn],
                [thing for place, thing in enumerate(truth) if place not in taken and not thing.crowd])
