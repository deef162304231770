"""The confusion matrix, by hand and against a walk of its own over all pairs."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import confusion
from tests.support.detections import random_detections, random_truth

_CAR, _DOG = (10, 10, 50, 50), (150, 150, 60, 60)


def _truth(*things: Sequence[Any]) -> Annotations:
    """One image with annotations of box and category, and 1 for a crowd."""
    document: Dict[str, Any] = {
        "images": [{"id": 1, "width": 300, "height": 300}],
        "annotations": [{"id": number, "image_id": 1, "bbox": list(box), "category_id": category, "iscrowd": crowd,
                         "area": box[2] * box[3]} for number, (box, category, crowd) in enumerate(things, start=1)],
        "categories": [{"id": 1, "name": "car"}, {"id": 5, "name": "dog"}]}
    return Annotations(Path("one.json"), document, {1: document["images"][0]}, {1: "car", 5: "dog"})


def _counts(truth: Annotations, *rows: Sequence[float]) -> List[List[int]]:
    """Rows are x, y, width, height, score, category."""
    merged = Merged(np.array([1]), Results.from_rows([[1, *row] for row in rows]))
    found: List[List[int]] = confusion.measure(merged, truth).counts.tolist()
    return found


@pytest.mark.parametrize(("rows", "counts"), [
    ([], [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),
    ([(*_CAR, 0.9, 1), (*_DOG, 0.9, 5)], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),
    ([(*_CAR, 0.9, 5)], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]),                           # a car is taken for a dog
    ([(*_CAR, 0.9, 1), (*_CAR, 0.8, 5)], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]),          # and then again, of nothing
    ([(*_CAR, 0.29, 1)], [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),                          # a low score
    ([(*_CAR, 0.9, 7)], [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),                           # an unknown class
    ([(10, 10, 50, 24, 0.9, 1)], [[0, 0, 1], [0, 0, 1], [1, 0, 0]]),                  # IoU 0.48
])
def test_what_is_taken_for_what(rows: Any, counts: Any) -> None:
    assert _counts(_truth((_CAR, 1, 0), (_DOG, 5, 0)), *rows) == counts


def test_of_objects_in_one_place_that_of_its_own_class_is_taken() -> None:
    assert _counts(_truth((_CAR, 5, 0), (_CAR, 1, 0)), (*_CAR, 0.9, 1)) == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_crowds_are_no_objects_and_what_lies_in_one_counts_for_nothing() -> None:
    assert _counts(_truth(((100, 100, 190, 190), 1, 1)), (*_DOG, 0.9, 1), (*_CAR, 0.8, 1)) == [
        [0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_objects_and_detections_add_up_and_the_matrix_is_that_of_a_plain_walk() -> None:
    random = np.random.RandomState(3)
    truth = random_truth(random, images=12)
    merged = random_detections(random, truth, 0.8)
    found = confusion.measure(merged, truth)
    expected = np.zeros_like(found.counts)
    names = {key: place for place, key in enumerate(sorted(truth.categories))}
    records = sorted((item for item in merged.as_coco() if item["score"] >= 0.3), key=lambda item: -item["score"])
    for image, things in truth.by_image().items():
        left = [thing for thing in things if not thing.get("iscrowd")]
        for item in (item for item in records if item["image_id"] == image):
            pairs = [(_iou(item["bbox"], thing["bbox"]), thing["category_id"] == item["category_id"], place)
                     for place, thing in enumerate(left)]
            best = max(pairs, default=(0.0, False, -1))
            if best[0] >= 0.5:
                expected[names[left.pop(best[2])["category_id"]], names[item["category_id"]]] += 1
            elif not any(thing.get("iscrowd") and _within(item["bbox"], thing["bbox"]) >= 0.5 for thing in things):
                expected[-1, names[item["category_id"]]] += 1
        for thing in left:
            expected[names[thing["category_id"]], -1] += 1

    assert found.counts.tolist() == expected.tolist()
    assert np.trace(found.counts) > 10


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    sides = [min(one[axis] + one[axis + 2], other[axis] + other[axis + 2]) - max(one[axis], other[axis])
             for axis in (0, 1)]
    return max(sides[0], 0) * max(sides[1], 0)


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    common = _common(one, other)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def _within(one: Sequence[float], other: Sequence[float]) -> float:
    return _common(one, other) / (one[2] * one[3])
