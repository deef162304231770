"""What pictures show, against pycocotools' own matching and by hand."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.reporting.pictures import scenes
from quant_accuracy.reporting.pictures.scenes import Scene
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG
from tests.support.detections import random_detections, random_truth


def _truth(*things: Sequence[Any]) -> Annotations:
    """One image with annotations of box and category, and 1 for a crowd."""
    document: Dict[str, Any] = {
        "images": [{"id": 1, "width": 300, "height": 300}],
        "annotations": [{"id": number, "image_id": 1, "bbox": list(box), "category_id": category, "iscrowd": crowd,
                         "area": box[2] * box[3]} for number, (box, category, crowd) in enumerate(things, start=1)],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "dog"}]}
    return Annotations(Path("one.json"), document, {1: document["images"][0]}, {1: "car", 2: "dog"})


def _scene(truth: Annotations, *sides: Sequence[Sequence[float]]) -> Scene:
    """The scene of image 1; rows are x, y, width, height, score, category."""
    merged = {name: Merged(np.array([1]), Results.from_rows([[1, *row] for row in rows]))
              for name, rows in zip(("float", "quantized"), sides)}
    return scenes.scenes(truth, merged, {name: matching.match(found, truth) for name, found in merged.items()}, [1])[0]


_CAR, _DOG = (10, 10, 50, 50), (150, 150, 60, 60)


def test_outcomes_are_right_with_the_object_that_was_taken_wrong_or_uncounted() -> None:
    truth = _truth((_CAR, 1, 0), (_DOG, 2, 0), ((200, 10, 90, 90), 1, 1))

    scene = _scene(truth, [(*_CAR, 0.9, 1), (*_CAR, 0.8, 2), (210, 20, 30, 30, 0.7, 1), (*_CAR, 0.6, 1)],
                   [(*_DOG, 0.95, 2)])

    before, after = scene.sides["float"], scene.sides["quantized"]
    assert [(found.name, found.score, found.outcome, found.iou, found.number) for found in before] == [
        ("car", 0.9, RIGHT, 1.0, 0), ("dog", 0.8, WRONG, 0.0, -1), ("car", 0.7, UNCOUNTED, 0.0, -1),
        ("car", 0.6, WRONG, 0.0, -1)]
    assert [(found.name, found.outcome, found.number) for found in after] == [("dog", RIGHT, 1)]
    assert [thing.crowd for thing in scene.objects] == [False, False, True]


@pytest.mark.parametrize("seed", range(3))
def test_objects_that_nothing_took_are_those_that_pycocotools_leaves_without_a_match(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=15)
    merged = random_detections(random, truth, 0.8)
    # Everything is kept.
    merged.results.scores[:] = 0.31 + 0.6 * merged.results.scores
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth.document))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(list(merged.as_coco())), "bbox")
        evaluation.evaluate()
    left: Dict[int, List[int]] = {image: [] for image in truth.images}
    for result in evaluation.evalImgs[:]:
        if result is not None and result["aRng"] == [0, 1e10]:
            left[result["image_id"]] += [key for key, took, crowd in zip(
                result["gtIds"], result["gtMatches"][0], result["gtIgnore"]) if not took and not crowd]

    found = scenes.scenes(truth, {"float": merged}, {"float": matching.match(merged, truth)}, sorted(truth.images))

    for scene in found:
        things = truth.by_image()[scene.image_id]
        taken = {item.number for item in scene.sides["float"]}
        assert sorted(thing["id"] for place, thing in enumerate(things)
                      if place not in taken and not thing.get("iscrowd")) == sorted(left[scene.image_id])
    assert len(found) > 5


def test_scores_that_nobody_shows_are_left_out() -> None:
    scene = _scene(_truth((_CAR, 1, 0)), [(*_CAR, 0.9, 1), (*_DOG, 0.05, 2), (*_DOG, 0.04, 2)], [])

    assert [found.score for found in scene.sides["float"]] == [0.9, 0.05]
    assert scene.score == 0.3


def test_where_much_is_detected_less_is_shown_at_first_and_what_the_ap_depends_on_is_kept() -> None:
    crowd = [(x, y, 20, 20, 0.4 + 0.001 * x, 1) for x in range(0, 280, 30) for y in range(0, 280, 30)]

    scene = _scene(_truth((_CAR, 1, 0), (_DOG, 2, 0)), [*crowd, (*_CAR, 0.95, 1), (*_DOG, 0.1, 2)], [(*_CAR, 0.6, 1)])

    assert scene.score == 0.7
    assert scene.sides["float"][0].score == 0.95
    # As many as are kept of all, and the dog; but for it no car behind the first is right.
    assert len(scene.sides["float"]) == 2 + 30 + 1
    assert scene.sides["float"][-1].outcome == RIGHT
    assert [found.outcome for found in scene.sides["quantized"]] == [RIGHT]


def test_scenes_come_in_the_order_that_is_asked_for() -> None:
    truth = random_truth(np.random.RandomState(0), images=9)
    merged = random_detections(np.random.RandomState(1), truth, 0.7)
    matches = matching.match(merged, truth)

    found = scenes.scenes(truth, {"float": merged}, {"float": matches}, [7, 2, 5])

    assert [scene.image_id for scene in found] == [7, 2, 5]
    assert [len(scene.objects) for scene in found] == [len(truth.by_image()[image]) for image in (7, 2, 5)]
