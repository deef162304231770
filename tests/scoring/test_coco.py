"""Matching and COCO's figures against pycocotools."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.data import annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import coco
from quant_accuracy.scoring.metrics import FIGURES, Metrics
from quant_accuracy.settings.card import DataPaths


def _noisy_detections(truth: annotations.Annotations, image_ids: List[int]) -> Merged:
    """Ground-truth boxes, shaken, some missing, some doubled."""
    random = np.random.RandomState(0)
    rows = []
    for thing in truth.document["annotations"]:
        if thing["image_id"] in image_ids and not thing["iscrowd"]:
            for _ in range(random.choice(3, p=[0.2, 0.6, 0.2])):
                box = np.array(thing["bbox"]) * random.normal(1.0, 0.08, size=4)
                rows.append([thing["image_id"], *box, random.uniform(), thing["category_id"]])
    return Merged(np.array(sorted(image_ids)), Results.from_rows(rows))


def _of_pycocotools(truth: annotations.Annotations, merged: Merged) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth.document))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(list(merged.as_coco())), "bbox")
        evaluation.params.imgIds = merged.image_ids.tolist()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _assert_equal(metrics: Metrics, evaluation: COCOeval, truth: annotations.Annotations) -> None:
    ours = [-1.0 if metrics.figures[name] is None else metrics.figures[name] for name in FIGURES]
    np.testing.assert_allclose(ours, evaluation.stats, rtol=1e-12)
    for position, category in enumerate(evaluation.params.catIds):
        values = evaluation.eval["precision"][:, :, position, 0, -1]
        ap = metrics.per_class[truth.categories[category]]
        assert (-1.0 if ap is None else ap) == pytest.approx(values.mean(), rel=1e-12)


def test_figures_equal_pycocotools_on_the_evaluated_images(demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)
    merged = _noisy_detections(truth, sorted(truth.images)[:60])

    metrics = coco.score(merged, truth)

    _assert_equal(metrics, _of_pycocotools(truth, merged), truth)
    assert metrics.images == 60


def _random_truth(random: np.random.RandomState, images: int) -> annotations.Annotations:
    """Boxes on a coarse grid, so that overlaps are often equal; crowds, areas that contradict their boxes."""
    things: List[Dict[str, Any]] = []
    for image in range(1, images + 1):
        for _ in range(random.choice([0, 1, 5, 20])):
            box = (random.randint(0, 10, 4) * 15 + [0, 0, 15, 15]).tolist()
            category = int(random.choice([1, 3, 7]))
            thing = {"id": len(things) + 1, "image_id": image, "category_id": category, "bbox": box,
                     "iscrowd": int(random.uniform() < 0.15), "area": float(box[2] * box[3])}
            if random.uniform() < 0.3:
                thing["area"] = float(random.choice([1024, 1023.5, 9216, 9216.5, 20]))
            things.append(thing)
    # Nothing is of category 9.
    document = {"images": [{"id": i, "width": 300, "height": 300} for i in range(1, images + 1)], "annotations": things,
                "categories": [{"id": i, "name": f"class {i}"} for i in (7, 1, 9, 3)]}
    return annotations.Annotations(Path("random.json"), document, {i["id"]: i for i in document["images"]},
                                   {i["id"]: i["name"] for i in document["categories"]})


@pytest.mark.parametrize("seed", range(6))
def test_figures_equal_pycocotools_with_crowds_ties_and_crowded_images(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = _random_truth(random, images=25)
    rows = []
    for image in range(1, 25):
        # More than COCO's 100 detections of an image and category, with equal scores at the border.
        count = random.choice([0, 3, 40, 500])
        boxes = random.randint(0, 10, [count, 4]) * 15 + [0, 0, 15, 15]
        boxes = boxes + random.choice([0.0, 0.5, 7.0], [count, 1])
        rows.append(np.column_stack([np.full(count, image), boxes, random.randint(0, 30, count) / 30,
                                     random.choice([1, 3, 7, 9], count)]))
    merged = Merged(np.arange(1, 26), Results.from_rows(np.concatenate(rows)))

    _assert_equal(coco.score(merged, truth), _of_pycocotools(truth, merged), truth)


def test_an_annotation_of_id_0_can_be_matched() -> None:
    document: Dict[str, Any] = {"images": [{"id": 1, "width": 50, "height": 50}],
                                "categories": [{"id": 1, "name": "car"}],
                                "annotations": [{"id": 0, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}]}
    truth = annotations.Annotations(Path("zero.json"), document, {1: document["images"][0]}, {1: "car"})

    metrics = coco.score(Merged(np.array([1]), Results.from_rows([[1, 5.0, 5, 20, 20, 0.9, 1]])), truth)

    assert metrics.figures["mAP"] == pytest.approx(1.0)


def test_images_that_were_not_run_do_not_count_as_misses(demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)
    perfect = [[t["image_id"], *t["bbox"], 1.0, t["category_id"]] for t in truth.document["annotations"]
               if t["image_id"] == 1013 and not t["iscrowd"]]

    metrics = coco.score(Merged(np.array([1013]), Results.from_rows(perfect)), truth)

    assert metrics.figures["mAP"] == pytest.approx(1.0)


def test_no_detections_at_all_score_zero(demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)

    metrics = coco.score(Merged(np.array(sorted(truth.images)), Results.from_rows([])), truth)

    assert metrics.figures["mAP"] == 0.0
    assert metrics.detections == 0


def test_images_without_ground_truth_have_no_figures(coco_folder: Callable[..., Path]) -> None:
    truth = annotations.load(coco_folder() / "instances.json")

    metrics = coco.score(Merged(np.array([9]), Results.from_rows([[9, 1, 1, 5, 5, 0.5, 3]])), truth)

    assert metrics.figures["mAP"] is None
    assert metrics.per_class == {"car": None, "toothbrush": None}
