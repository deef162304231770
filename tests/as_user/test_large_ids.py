"""Image and category ids of 64 bits, from the records to a report that is read back: none is rounded on its way."""

import json
from pathlib import Path
from typing import Dict, Tuple

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, store
from quant_accuracy.detection.merge import Merged
from quant_accuracy.detection.nms import Detections
from quant_accuracy.reporting.document import read_report
from quant_accuracy.scoring import attribution, bootstrap, coco, error_kinds, matching
from tests.scoring.test_coco import _assert_equal, _of_pycocotools, _random_truth

# Neighbours that float64 cannot tell apart, the ends of what 64 bits hold, and some between.
_LARGE = [10 ** 17 + place for place in range(12)] + [-(1 << 63), (1 << 63) - 1, (1 << 63) - 2, (1 << 53) + 1, 0, -7]
_CATEGORIES = {1: (1 << 53) + 1, 3: (1 << 53) + 2, 7: 12, 9: 13}


def _renumbered(truth: Annotations, images: Dict[int, int], categories: Dict[int, int]) -> Annotations:
    document = {
        "images": [{**image, "id": images[image["id"]]} for image in truth.document["images"]],
        "annotations": [{**thing, "image_id": images[thing["image_id"]],
                         "category_id": categories[thing["category_id"]]}
                        for thing in truth.document["annotations"]],
        "categories": [{**item, "id": categories[item["id"]]} for item in truth.document["categories"]]}
    return Annotations(truth.path, document, {image["id"]: image for image in document["images"]},
                       {categories[key]: name for key, name in truth.categories.items()})


def _detected(truth: Annotations, seed: int) -> Tuple[Shard, store.ShardDetections]:
    """A shard on which the ground truth was found, shaken, in the order of the annotations."""
    random = np.random.RandomState(seed)
    found = []
    for things in truth.by_image().values():
        boxes = np.array([thing["bbox"] for thing in things], np.float64).reshape(-1, 4)
        boxes = boxes * random.normal(1.0, 0.07, boxes.shape)
        corners = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1)
        found.append(Detections((corners / 300).astype(np.float32), random.uniform(size=len(things)).astype(np.float32),
                                np.array([min(thing["category_id"], 1 << 30) for thing in things], np.int32)))
    ids = np.array(list(truth.images), np.int64)
    half = len(ids) // 2
    sizes = np.full([len(ids), 2], 300, np.int32)
    part = store.gather([ids[:half], ids[half:]], [sizes[:half], sizes[half:]], found)
    return Shard(0, Path("one.record"), len(ids), len(ids)), part


def _ordered(truth: Annotations) -> Dict[int, int]:
    """Small ids to large ones in the same order, so that equal scores are dealt out alike."""
    return dict(zip(sorted(truth.images), sorted(_LARGE)))


def test_detections_of_a_shard_keep_ids_of_64_bits(tmp_path: Path) -> None:
    small = _random_truth(np.random.RandomState(1), images=len(_LARGE))
    _, part = _detected(_renumbered(small, _ordered(small), {key: key for key in _CATEGORIES}), seed=2)

    store.save(tmp_path / "part.npz", part)

    assert part.image_ids.tolist() == sorted(_LARGE)
    assert store.load(tmp_path / "part.npz").image_ids.tolist() == sorted(_LARGE)


def test_figures_do_not_depend_on_how_large_image_ids_are(tmp_path: Path) -> None:
    small = _random_truth(np.random.RandomState(1), images=len(_LARGE))
    large = _renumbered(small, _ordered(small), {key: key for key in _CATEGORIES})
    found = {truth: merge.merge([_detected(named, seed=2)], named)
             for truth, named in (("small", small), ("large", large))}
    matches = {"small": matching.match(found["small"], small), "large": matching.match(found["large"], large)}
    weights = bootstrap.draw(len(_LARGE))[:20]

    metrics = coco.score(found["large"], large)

    assert 0.2 < metrics.figures["mAP"] < 1.0  # type: ignore[operator]
    assert metrics == coco.score(found["small"], small)
    _assert_equal(metrics, _of_pycocotools(large, found["large"]), large)
    assert found["large"].image_ids.tolist() == sorted(_LARGE)
    assert {result["image_id"] for result in found["large"].as_coco()} <= set(_LARGE)
    assert error_kinds.analyse(found["large"], large) == error_kinds.analyse(found["small"], small)
    np.testing.assert_array_equal(bootstrap.mean_aps(matches["large"], weights),
                                  bootstrap.mean_aps(matches["small"], weights))
    np.testing.assert_array_equal(attribution.image_aps(matches["large"]), attribution.image_aps(matches["small"]))


def test_results_that_are_read_back_have_the_ids_that_were_written(tmp_path: Path) -> None:
    small = _random_truth(np.random.RandomState(3), images=len(_LARGE))
    large = _renumbered(small, _ordered(small), {key: key for key in _CATEGORIES})
    found = merge.merge([_detected(large, seed=4)], large)
    (tmp_path / "float.json").write_text(json.dumps(list(found.as_coco())))

    again = read_report.read_detections(tmp_path / "float.json")

    assert again.equals(found.results)
    assert coco.score(Merged(found.image_ids, again), large) == coco.score(found, large)


def test_neighbouring_category_ids_above_2_to_the_53_are_kept_apart() -> None:
    small = _random_truth(np.random.RandomState(5), images=len(_LARGE))
    large = _renumbered(small, _ordered(small), _CATEGORIES)
    found = merge.merge([_detected(small, seed=6)], small)
    images, categories = _ordered(small), _CATEGORIES
    results = merge.Results(np.array([images[image] for image in found.results.images.tolist()]), found.results.boxes,
                            found.results.scores, np.array([categories[c] for c in found.results.categories.tolist()]))

    metrics = coco.score(Merged(np.array(sorted(_LARGE)), results), large)

    assert metrics.per_class == pytest.approx(coco.score(found, small).per_class, abs=0)
