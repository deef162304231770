"""Scoring and the bootstrap on data sets of many detections."""

import contextlib
import io
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmarks.speed.setting import show
from quant_accuracy.base.cache import Cache
from quant_accuracy.data import annotations
from quant_accuracy.demo import ready
from quant_accuracy.detection import merge
from quant_accuracy.scoring import attribution, bootstrap, coco, matching
from quant_accuracy.scoring.metrics import FIGURES


def measure_scoring(cache: Cache, scratch: Path) -> None:
    """COCO's figures for 500 images with 100 detections each, against pycocotools."""
    truth = annotations.load(ready.data_paths(cache, count=500).annotations)
    image_ids, categories = np.array(sorted(truth.images)), sorted(truth.categories)
    random = np.random.RandomState(0)
    images_of_rows = np.repeat(image_ids, 100)
    boxes = random.uniform(0, 150, [len(images_of_rows), 4])
    scores, labels = random.uniform(size=len(boxes)), random.choice(categories, len(boxes))
    found = merge.Merged(image_ids, merge.Results(images_of_rows, boxes, scores, labels))
    table = np.column_stack([images_of_rows, boxes, scores, labels])
    start = time.perf_counter()
    metrics = coco.score(found, truth)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(truth.path))
        evaluation = COCOeval(known, known.loadRes(table), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    theirs = time.perf_counter() - start
    np.testing.assert_allclose([metrics.figures[name] for name in FIGURES], evaluation.stats, rtol=1e-12)
    show(f"scoring {len(boxes)} detections, pycocotools ({theirs:.1f} s) / ours ({ours:.2f} s)", theirs / ours, "",
           ">= 10")


def measure_bootstrap(cache: Cache, scratch: Path) -> None:
    """COCO's 12 figures of 1000 resamples: 200 images and 12 classes, 5000 images and 80 classes."""
    for count, classes, limit in ((200, 12, "< 0.75 s"), (5000, 80, "< 40 s")):
        truth, found = _invented(count, classes)
        matches = matching.match(found, truth)
        weights = bootstrap.draw(count)
        start = time.perf_counter()
        bootstrap.class_figures(matches, weights)
        show(f"12 figures of {len(weights)} resamples, {count} images, {classes} classes, 100 detections an image",
               time.perf_counter() - start, "s a variant", limit)
        start = time.perf_counter()
        attribution.image_aps(matches)
        show(f"AP of each of {count} images", time.perf_counter() - start, "s", "< 2 s")


def _invented(images: int, classes: int) -> Tuple[annotations.Annotations, merge.Merged]:
    """Ground truth, and 100 detections an image: shaken ground truth, doubled at times, and false alarms."""
    random = np.random.RandomState(0)
    share = random.dirichlet(np.full(classes, 0.5))
    things: List[Dict[str, Any]] = []
    rows = []
    for image in range(1, images + 1):
        count = min(random.poisson(7), 50)
        boxes = np.column_stack([random.uniform(0, 400, [count, 2]), np.exp(random.normal(4.2, 1.0, [count, 2]))])
        categories = 1 + random.choice(classes, count, p=share)
        things += [{"id": len(things) + 1 + number, "image_id": image, "category_id": int(category),
                    "bbox": box.tolist(), "area": float(box[2] * box[3])}
                   for number, (box, category) in enumerate(zip(boxes, categories))]
        taken = np.repeat(np.arange(count), random.randint(0, 3, count))
        alarms = 100 - len(taken)
        near = boxes[taken] * random.normal(1.0, 0.06, [len(taken), 4])
        far = np.column_stack([random.uniform(0, 400, [alarms, 2]), np.exp(random.normal(4.2, 1.0, [alarms, 2]))])
        scores = np.concatenate([random.beta(3, 2, len(taken)), random.beta(1, 5, alarms)])
        labels = np.concatenate([categories[taken], 1 + random.choice(classes, alarms, p=share)])
        rows.append(np.column_stack([np.full(100, image), np.concatenate([near, far]), scores, labels]))
    document = {"images": [{"id": image} for image in range(1, images + 1)], "annotations": things,
                "categories": [{"id": 1 + number} for number in range(classes)]}
    truth = annotations.Annotations(Path("invented.json"), document, {item["id"]: item for item in document["images"]},
                                    {item["id"]: f"class {item['id']}" for item in document["categories"]})
    return truth, merge.Merged(np.arange(1, images + 1), merge.Results.from_rows(np.concatenate(rows)))
