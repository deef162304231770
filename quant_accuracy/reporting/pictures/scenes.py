"""What is seen on an image: its ground truth, and what each variant made of it at IoU 0.50."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, Matches

# From the first of these scores on everything is shown at first, from a later one where that would be too much.
_SCORES = (0.3, 0.5, 0.7)
# What is kept at all: lower scores are shown by nobody, and more boxes hide each other.
LEAST_SCORE = 0.05
_MOST = 30
# Boxes that are shown at first beyond the number of objects.
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
    """A detection.

    Attributes:
        box: x, y, width, height in pixels of the original image.
        name: Of its category.
        score: 0..1.
        outcome: `RIGHT`, `WRONG` or `UNCOUNTED`, as matching has it.
        iou: How far it overlaps the object that it took; 0 where it took none.
        number: Position of that object in the scene; -1 where it took none.
    """

    box: Box
    name: str
    score: float
    outcome: int
    iou: float
    number: int


class Scene(NamedTuple):
    """An image.

    Attributes:
        image_id: Its id.
        objects: Its ground truth.
        sides: The detections by variant, best first, from `LEAST_SCORE` on; where there are many, the best, and what
            the AP of the image depends on.
        score: From this score on there are few enough of them to be told apart.
    """

    image_id: int
    objects: Sequence[Object]
    sides: Mapping[str, Sequence[Detection]]
    score: float


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


def _detections(annotations: Annotations, matches: Matches, merged: Merged, image: int,
                truth: Sequence[Object]) -> List[Detection]:
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
        found.append(Detection(tuple(box.tolist()), name, float(matches.scores[row]), outcome, overlap, number))
    return found


def _scene(image: int, truth: Sequence[Object], found: Mapping[str, Sequence[Detection]]) -> Scene:
    """The scene with as much shown at first as can be told apart."""
    most = len(truth) + _SPARE
    score = next((score for score in _SCORES if all(sum(item.score >= score for item in side) <= most
                                                    for side in found.values())), _SCORES[-1])
    return Scene(image, truth, {name: _kept(side, len(truth) + _MOST) for name, side in found.items()}, score)


def _kept(found: Sequence[Detection], most: int) -> List[Detection]:
    # What is wrong costs nothing once no right detection of its class follows.
    last = {item.name: place for place, item in enumerate(found) if item.number >= 0}
    matters = [item.outcome != UNCOUNTED and place <= last.get(item.name, -1) for place, item in enumerate(found)]
    return [item for place, item in enumerate(found) if item.score >= LEAST_SCORE
            and (place < most or item.number >= 0 or (matters[place] and place < 2 * most))]
