"""Matching by hand: overlaps, areas and ranks. `test_coco.py` compares its figures with pycocotools."""

from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG


def _truth(*things: Dict[str, Any]) -> Annotations:
    """Ground truth of image 1 and category 1, unless a thing says otherwise."""
    listed = [{"id": number, "image_id": 1, "category_id": 1, **thing} for number, thing in enumerate(things)]
    return Annotations(Path("truth.json"), {"annotations": listed}, {1: {"id": 1}, 2: {"id": 2}}, {1: "cat", 2: "dog"})


def _outcomes(truth: Annotations, *rows: Any) -> Any:
    """Outcomes at IoU 0.5 in all areas, in the order of the rows."""
    matches = matching.match(Merged(np.array([1, 2]), Results.from_rows([[1, *row, 1] for row in rows])), truth)
    return matches.outcomes[np.argsort(matches.rows), 0, 0].tolist()


@pytest.mark.parametrize(("box", "crowd", "iou"), [
    ([0, 0, 10, 10], False, 1.0), ([5, 0, 10, 10], False, 1 / 3), ([10, 0, 10, 10], False, 0.0),
    ([0, 0, 5, 10], False, 0.5), ([0, 0, 5, 10], True, 1.0), ([5, 0, 10, 10], True, 0.5), ([0, 0, 0, 10], False, 0.0),
])
def test_overlap_is_that_of_hand_computed_cases(box: Any, crowd: bool, iou: float) -> None:
    found = matching.iou(np.array(box, float), np.array([0.0, 0, 10, 10]), np.array(crowd))

    assert float(found) == pytest.approx(iou)


def test_a_box_is_found_once_by_the_best_score() -> None:
    truth = _truth({"bbox": [0, 0, 20, 20]})

    assert _outcomes(truth, [0, 0, 20, 20, 0.5], [0, 0, 20, 20, 0.9]) == [WRONG, RIGHT]


def test_a_crowd_is_found_again_and_again_and_counts_for_nobody() -> None:
    truth = _truth({"bbox": [0, 0, 50, 50], "iscrowd": 1})

    assert _outcomes(truth, [0, 0, 20, 20, 0.5], [5, 5, 20, 20, 0.9]) == [UNCOUNTED, UNCOUNTED]


def test_a_real_box_is_preferred_to_a_crowd_that_overlaps_more() -> None:
    truth = _truth({"bbox": [0, 0, 50, 50], "iscrowd": 1}, {"bbox": [0, 0, 20, 24]})

    assert _outcomes(truth, [0, 0, 20, 20, 0.9]) == [RIGHT]


def test_detections_beyond_the_best_100_of_an_image_and_a_category_do_not_count() -> None:
    rows = [[1, 0, 0, 20, 20, score, 1] for score in np.linspace(0.1, 0.9, 130)]

    found = matching.match(Merged(np.array([1]), Results.from_rows(rows)), _truth({"bbox": [0, 0, 20, 20]}))

    assert found.rows.tolist() == list(range(129, 29, -1))
    assert found.ranks.tolist() == list(range(100))


def test_detections_of_unknown_categories_are_left_out() -> None:
    rows = [[1, 0, 0, 20, 20, 0.9, 7], [1, 0, 0, 20, 20, 0.8, 1]]

    assert matching.match(Merged(np.array([1]), Results.from_rows(rows)), _truth()).rows.tolist() == [1]


def test_images_that_show_a_category_are_counted_by_area_without_crowds() -> None:
    truth = _truth({"bbox": [0, 0, 20, 20]}, {"bbox": [0, 0, 200, 200]}, {"image_id": 2, "bbox": [0, 0, 20, 20]},
                   {"category_id": 2, "bbox": [0, 0, 20, 20], "iscrowd": 1})

    # All, small, medium, large.
    assert matching.class_images(truth).tolist() == [[2, 2, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize(("area", "inside"), [
    (1023.9, ["all", "small"]), (1024.0, ["all", "small", "medium"]), (9216.0, ["all", "medium", "large"]),
    (9216.1, ["all", "large"])])
def test_both_ends_of_an_area_belong_to_it(area: float, inside: Any) -> None:
    outside = matching.outside_areas(np.array([area]))[0]

    assert [name for name, out in zip(("all", "small", "medium", "large"), outside) if not out] == inside


def test_equal_scores_of_a_category_stay_in_the_order_of_images() -> None:
    rows = [[2, 0, 0, 9, 9, 0.5, 1], [1, 0, 0, 9, 9, 0.5, 1], [1, 0, 0, 9, 9, 0.9, 1], [2, 0, 0, 9, 9, 0.7, 2]]
    found = matching.match(Merged(np.array([1, 2]), Results.from_rows(rows)), _truth())

    assert found.rows[found.ranked(0)].tolist() == [2, 1, 0]
    assert found.rows[found.ranked(1)].tolist() == [3]
