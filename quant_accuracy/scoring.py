"""COCO's figures for detections, on the evaluated images only."""

import contextlib
import io
from typing import Any, Dict, List, Optional, Set

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.metrics import FIGURES, Metrics


def score(merged: Merged, annotations: Annotations) -> Metrics:
    """Score detections with pycocotools, restricted to the evaluated images.

    Images that were not run do not count; images without ground truth or without detections do.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
    """
    truth = _ground_truth(annotations, set(merged.image_ids.tolist()))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        known = np.isin(merged.results[:, 6].astype(np.int64), list(annotations.categories))
        found = coco.loadRes(merged.results[known]) if known.any() else _nothing(coco)
        evaluation = COCOeval(coco, found, "bbox")
        evaluation.params.imgIds = merged.image_ids.tolist()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = {category["id"]: str(category["name"]) for category in truth["categories"]}
    return Metrics(
        {name: _figure(value) for name, value in zip(FIGURES, evaluation.stats)},
        {names[category]: _class_ap(evaluation, index) for index, category in enumerate(evaluation.params.catIds)},
        len(merged.image_ids),
        len(merged.results),
    )


def _ground_truth(annotations: Annotations, image_ids: Set[int]) -> Dict[str, List[Dict[str, Any]]]:
    """The part of the ground truth that belongs to the evaluated images, with COCO's optional fields filled in."""
    things = []
    for thing in annotations.document["annotations"]:
        if thing["image_id"] in image_ids:
            _, _, width, height = thing["bbox"]
            things.append({"iscrowd": 0, "area": width * height, **thing})
    return {
        "images": [image for image in annotations.document["images"] if image["id"] in image_ids],
        "annotations": things,
        "categories": list(annotations.document["categories"]),
    }


def _nothing(coco: COCO) -> COCO:
    """Results without any detection, which pycocotools cannot load."""
    empty = COCO()
    empty.dataset = {"images": coco.dataset["images"], "categories": coco.dataset["categories"], "annotations": []}
    empty.createIndex()
    return empty


def _class_ap(evaluation: COCOeval, index: int) -> Optional[float]:
    precision = evaluation.eval["precision"][:, :, index, 0, -1]
    return _figure(precision[precision > -1].mean()) if (precision > -1).any() else None


def _figure(value: float) -> Optional[float]:
    return None if value < 0 else float(value)
