"""Matching and COCO's figures against pycocotools."""

from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest

from quant_accuracy.data import annotations
from quant_accuracy.detection import merge
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import attribution, bootstrap, coco, error_kinds, matching
from quant_accuracy.settings.card import DataPaths
from tests.support.detections import noisy_detections, random_truth
from tests.support.large_ids import CATEGORIES, LARGE, detected, ordered, renumbered
from tests.support.oracle import assert_figures_equal, of_pycocotools


def test_figures_equal_pycocotools_on_the_evaluated_images(demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)
    merged = noisy_detections(truth, sorted(truth.images)[:60])

    metrics = coco.score(merged, truth)

    assert_figures_equal(metrics, of_pycocotools(truth, merged), truth)
    assert metrics.images == 60


@pytest.mark.parametrize("seed", range(6))
def test_figures_equal_pycocotools_with_crowds_ties_and_crowded_images(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=25)
    rows = []
    for image in range(1, 25):
        # More than COCO's 100 detections of an image and category, with equal scores at the border.
        count = random.choice([0, 3, 40, 500])
        boxes = random.randint(0, 10, [count, 4]) * 15 + [0, 0, 15, 15]
        boxes = boxes + random.choice([0.0, 0.5, 7.0], [count, 1])
        rows.append(np.column_stack([np.full(count, image), boxes, random.randint(0, 30, count) / 30,
                                     random.choice([1, 3, 7, 9], count)]))
    merged = Merged(np.arange(1, 26), Results.from_rows(np.concatenate(rows)))

    assert_figures_equal(coco.score(merged, truth), of_pycocotools(truth, merged), truth)


def test_an_annotation_of_id_0_can_be_matched_and_a_line_says_that_pycocotools_takes_it_for_a_miss() -> None:
    document: Dict[str, Any] = {"images": [{"id": 1, "width": 50, "height": 50}],
                                "categories": [{"id": 1, "name": "car"}],
                                "annotations": [{"id": 0, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20],
                                                 "area": 400, "iscrowd": 0}]}
    truth = annotations.Annotations(Path("zero.json"), document, {1: document["images"][0]}, {1: "car"})

    merged = Merged(np.array([1]), Results.from_rows([[1, 5.0, 5, 20, 20, 0.9, 1]]))

    assert coco.score(merged, truth).figures["mAP"] == pytest.approx(1.0)
    assert of_pycocotools(truth, merged).stats[0] == 0.0
    (line,) = coco.unlike_pycocotools(truth)
    assert line.startswith("zero.json has an annotation with id 0: pycocotools counts matches with it as false")
    document["annotations"][0]["id"] = 1
    assert of_pycocotools(truth, merged).stats[0] == pytest.approx(1.0)
    assert coco.unlike_pycocotools(truth) == []


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


def test_figures_do_not_depend_on_how_large_image_ids_are(tmp_path: Path) -> None:
    small = random_truth(np.random.RandomState(1), images=len(LARGE))
    large = renumbered(small, ordered(small), {key: key for key in CATEGORIES})
    found = {truth: merge.merge([detected(named, seed=2)], named)
             for truth, named in (("small", small), ("large", large))}
    matches = {"small": matching.match(found["small"], small), "large": matching.match(found["large"], large)}
    weights = bootstrap.draw(len(LARGE))[:20]

    metrics = coco.score(found["large"], large)

    assert 0.2 < metrics.figures["mAP"] < 1.0  # type: ignore[operator]
    assert metrics == coco.score(found["small"], small)
    assert_figures_equal(metrics, of_pycocotools(large, found["large"]), large)
    assert found["large"].image_ids.tolist() == sorted(LARGE)
    assert {result["image_id"] for result in found["large"].as_coco()} <= set(LARGE)
    assert error_kinds.analyse(found["large"], large) == error_kinds.analyse(found["small"], small)
    np.testing.assert_array_equal(bootstrap.mean_aps(matches["large"], weights),
                                  bootstrap.mean_aps(matches["small"], weights))
    np.testing.assert_array_equal(attribution.image_aps(matches["large"]), attribution.image_aps(matches["small"]))


def test_neighbouring_category_ids_above_2_to_the_53_are_kept_apart() -> None:
    small = random_truth(np.random.RandomState(5), images=len(LARGE))
    large = renumbered(small, ordered(small), CATEGORIES)
    found = merge.merge([detected(small, seed=6)], small)
    images, categories = ordered(small), CATEGORIES
    results = merge.Results(np.array([images[image] for image in found.results.images.tolist()]), found.results.boxes,
                            found.results.scores, np.array([categories[c] for c in found.results.categories.tolist()]))

    metrics = coco.score(Merged(np.array(sorted(LARGE)), results), large)

    assert metrics.per_class == pytest.approx(coco.score(found, small).per_class, abs=0)
