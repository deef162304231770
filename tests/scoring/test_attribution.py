"""What each image contributes, against pycocotools run on one image at a time."""

import contextlib
import io
import json
from typing import List

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.data import annotations
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import attribution, matching
from quant_accuracy.settings.card import DataPaths
from tests.support.detections import noisy_detections, random_detections, random_truth


def _of_single_images(truth: Annotations, merged: Merged) -> List[float]:
    """The mAP of pycocotools on each image alone; NaN where it has none."""
    found = []
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth.document))
        coco.createIndex()
        results = coco.loadRes(list(merged.as_coco()))
        for image in merged.image_ids.tolist():
            evaluation = COCOeval(coco, results, "bbox")
            evaluation.params.imgIds = [image]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            found.append(np.nan if evaluation.stats[0] == -1 else evaluation.stats[0])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_ap_of_an_image_is_that_of_pycocotools_on_this_image_alone(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=25)
    merged = random_detections(random, truth, 0.8)

    found = attribution.image_aps(matching.match(merged, truth))

    np.testing.assert_allclose(found, _of_single_images(truth, merged), rtol=0, atol=1e-12)
    assert np.isnan(found).any()


def test_the_same_holds_for_more_than_100_detections_equal_scores_and_crowds() -> None:
    random = np.random.RandomState(0)
    truth = random_truth(random, images=12)
    rows = []
    for image in range(1, 12):
        count = random.choice([0, 3, 40, 500])
        boxes = random.randint(0, 10, [count, 4]) * 15 + [0, 0, 15, 15] + random.choice([0.0, 0.5, 7.0], [count, 1])
        rows.append(np.column_stack([np.full(count, image), boxes, random.randint(0, 30, count) / 30,
                                     random.choice([1, 3, 7, 9], count)]))
    merged = Merged(np.arange(1, 13), Results.from_rows(np.concatenate(rows)))

    found = attribution.image_aps(matching.match(merged, truth))

    np.testing.assert_allclose(found, _of_single_images(truth, merged), rtol=0, atol=1e-12)


def test_the_same_holds_for_images_of_the_demo(demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)
    merged = noisy_detections(truth, sorted(truth.images)[:30])

    found = attribution.image_aps(matching.match(merged, truth))

    np.testing.assert_allclose(found, _of_single_images(truth, merged), rtol=0, atol=1e-12)


def test_without_detections_images_with_ground_truth_have_an_ap_of_zero() -> None:
    truth = random_truth(np.random.RandomState(1), images=10)

    found = attribution.image_aps(matching.match(Merged(np.arange(1, 11), Results.from_rows([])), truth))

    filled = [any(not thing["iscrowd"] for thing in truth.by_image()[image]) for image in range(1, 11)]
    assert np.isnan(found).tolist() == [not full for full in filled]
    assert set(found[filled]) == {0.0}


def _truth_of_four() -> Annotations:
    return random_truth(np.random.RandomState(2), images=40)


def test_images_that_lost_most_come_first_and_equal_losses_in_the_order_of_ids() -> None:
    truth = _truth_of_four()
    perfect = np.array([[t["image_id"], *t["bbox"], 1.0, t["category_id"]] for t in truth.document["annotations"]])
    filled = [int(image) for image in np.unique(perfect[:, 0]) if any(not t["iscrowd"]
                                                                      for t in truth.by_image()[int(image)])]
    lost = [filled[7], filled[2], filled[5]]
    ids = np.arange(1, 41)
    kept = perfect[~np.isin(perfect[:, 0], lost)]
    # One of them keeps its best category: it loses less than all.
    partly = next(image for image in filled if image not in lost
                  and len({t["category_id"] for t in truth.by_image()[image] if not t["iscrowd"]}) > 1)
    category = kept[kept[:, 0] == partly][0, 6]
    kept = kept[~((kept[:, 0] == partly) & (kept[:, 6] == category))]
    before, after = (matching.match(Merged(ids, Results.from_rows(rows)), truth) for rows in (perfect, kept))
    aps = attribution.image_aps(before)
    full = sorted(lost, key=lambda image: (-aps[image - 1], image))

    assert attribution.changed_images(before, after) == [*full, partly]
    assert attribution.changed_images(before, after, count=2) == full[:2]


def test_images_that_won_or_stayed_are_not_among_them() -> None:
    truth = _truth_of_four()
    detections = random_detections(np.random.RandomState(3), truth, 0.7)
    matches = matching.match(detections, truth)
    nothing = matching.match(Merged(detections.image_ids, Results.from_rows([])), truth)

    assert attribution.changed_images(matches, matches) == []
    assert attribution.changed_images(nothing, matches) == []


def test_a_loss_is_the_difference_of_the_aps_of_the_image() -> None:
    truth = _truth_of_four()
    before, after = (matching.match(random_detections(np.random.RandomState(seed), truth, share), truth)
                     for seed, share in ((3, 0.9), (4, 0.5)))
    loss = attribution.image_aps(before) - attribution.image_aps(after)

    found = attribution.changed_images(before, after, count=100)

    losses = [loss[image - 1] for image in found]
    assert losses == sorted(losses, reverse=True)
    assert len(found) == np.sum(loss[~np.isnan(loss)] > 0)
