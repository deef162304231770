"""Boxes that are written in another form than COCO's x, y, width, height, known by what they would overlap.

A form is not told by its numbers alone: in a square image x and y swapped lie inside it, too. It is told by the boxes
of a variant that detected the same objects.
"""

from typing import Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

# Boxes that are looked at, best first: of an image, in all, and how many make a judgement.
_BEST, _MOST, _LEAST = 5, 500, 10
# Of the device's, which may have lost the order.
_OTHERS = 30
_SURE, _SAME_PLACE = 0.3, 0.5
# A form is wrong where so few boxes are found as they are written, and another is right where so many are.
_FEW, _MANY = 0.25, 0.5

_Form = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Boxes(NamedTuple):
    """Detections.

    Attributes:
        images: int64 [d] image ids.
        boxes: float64 [d, 4].
        scores: float64 [d].
    """

    images: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray

    def best(self, count: int) -> "Boxes":
        """The best of each image, sorted by image."""
        order = np.lexsort((-self.scores, self.images))
        images = self.images[order]
        kept = order[np.arange(len(order)) - np.searchsorted(images, images) < count]
        return Boxes(self.images[kept], self.boxes[kept], self.scores[kept])


def _swapped(boxes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return boxes[:, [1, 0, 3, 2]]


def _corners(boxes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _centred(boxes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)


def _relative(boxes: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return boxes * np.tile(sides, 2)


def _forms(size: Tuple[int, int]) -> Dict[str, _Form]:
    """From boxes in each of the forms, and the width and height of their images, to x, y, width and height."""
    resized = np.array([size[1], size[0]], np.float64)
    scales: Dict[str, _Form] = {"": lambda boxes, sides: boxes, "relative ": _relative}
    if size[0] and size[1]:
        scales["of the resized image, "] = lambda boxes, sides: _relative(boxes, sides / resized)
    orders: Dict[str, _Form] = {"x, y, width, height": lambda boxes, sides: boxes,
                                "centre x, centre y, width, height": _centred, "left, top, right, bottom": _corners}
    found: Dict[str, _Form] = {}
    for scale, scaled in scales.items():
        for order, ordered in orders.items():
            for swapped in (False, True):
                name = scale + (_named_swapped(order) if swapped else order)
                found[name] = _joined(ordered, scaled, swapped)
    return found


def _joined(ordered: _Form, scaled: _Form, swapped: bool) -> _Form:
    return lambda boxes, sides: ordered(scaled(_swapped(boxes, sides) if swapped else boxes, sides), sides)


def _named_swapped(order: str) -> str:
    one, two, three, four = order.split(", ")
    return ", ".join((two, one, four, three))


def other_form(device: Boxes, reference: Boxes, sides: Dict[int, Tuple[int, int]],
               size: Tuple[int, int]) -> Optional[str]:
    """The form that boxes seem to be written in; None where that is x, y, width, height, or cannot be told.

    Args:
        device: The detections in question.
        reference: Those of a variant whose boxes are right.
        sides: Width and height of each image.
        size: Height and width that images are resized to for the network; zeros where they are not.
    """
    sure = Boxes(*(column[reference.scores >= _SURE] for column in reference)).best(_BEST)
    wanted, candidates = Boxes(*(column[:_MOST] for column in sure)), device.best(_OTHERS)
    first = np.searchsorted(candidates.images, wanted.images, side="left")
    counts = np.searchsorted(candidates.images, wanted.images, side="right") - first
    objects = np.repeat(np.arange(len(wanted.images)), counts)
    rows = np.arange(len(objects)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    there = np.unique(objects)
    if len(there) < _LEAST:
        return None
    lengths = np.array([sides[image] for image in candidates.images.tolist()], np.float64)
    shares = {}
    for name, form in _forms(size).items():
        near = _iou(form(candidates.boxes, lengths)[rows], wanted.boxes[objects]) >= _SAME_PLACE
        shares[name] = len(np.unique(objects[near])) / len(there)
    written = next(iter(shares))
    best = max(shares, key=lambda name: shares[name])
    return best if shares[written] <= _FEW and shares[best] >= _MANY else None


def _iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The IoU of pairs of boxes; 0 where one has no area."""
    start, end = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    shared = np.prod(np.maximum(end - start, 0), axis=1)
    areas = np.prod(np.maximum(one[:, 2:], 0), axis=1) + np.prod(np.maximum(other[:, 2:], 0), axis=1)
    return np.asarray(np.where(shared > 0, shared / np.maximum(areas - shared, 1e-12), 0.0))
