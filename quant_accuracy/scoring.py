"""COCO's figures for detections, by pycocotools, on the evaluated images only."""

import contextlib
import io
from typing import Any, Dict, List, Mapping, Optional

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy import progress
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.metrics import FIGURES, Metrics


def score(merged: Merged, annotations: Annotations) -> Metrics:
    """Score detections with pycocotools, restricted to the evaluated images.

    Images that were not run do not count; images without ground truth or without detections do. COCO judges every
    category on its own and averages at the end, so one category is in pycocotools' hands at a time: its records, a
    dict for each detection, take far more memory than the detections themselves.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
    """
    image_ids = merged.image_ids.tolist()
    categories = sorted(annotations.categories)
    truth = _ground_truth(annotations, image_ids)
    precision, recall = [], []
    for category in progress.bar(categories, total=len(categories), unit="categories", label="scoring"):
        rows = merged.results[merged.results[:, 6] == category]
        evaluation = _evaluate(truth, category, rows, image_ids)
        precision.append(evaluation.eval["precision"])
        recall.append(evaluation.eval["recall"])
    evaluation.params.catIds = categories
    evaluation.eval = {**evaluation.eval, "precision": np.concatenate(precision, axis=2),
                       "recall": np.concatenate(recall, axis=1)}
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return Metrics(
        {name: _figure(value) for name, value in zip(FIGURES, evaluation.stats)},
        {annotations.categories[category]: _class_ap(values) for category, values in zip(categories, precision)},
        len(image_ids),
        len(merged.results),
    )


def _evaluate(truth: Mapping[str, Any], category: int, rows: np.ndarray, image_ids: List[int]) -> COCOeval:
    """COCO's matching and accumulation for one category."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = _coco({**truth, "annotations": truth["annotations"].get(category, [])})
        # pycocotools cannot load results without any detection.
        found = coco.loadRes(rows) if len(rows) else _coco({**truth, "annotations": []})
        evaluation = COCOeval(coco, found, "bbox")
        evaluation.params.imgIds = image_ids
        evaluation.params.catIds = [category]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _coco(document: Mapping[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dict(document)
    coco.createIndex()
    return coco


def _ground_truth(annotations: Annotations, image_ids: List[int]) -> Dict[str, Any]:
    """The ground truth of the evaluated images, by category, with COCO's optional fields filled in."""
    evaluated = set(image_ids)
    things: Dict[int, List[Dict[str, Any]]] = {}
    for thing in annotations.document["annotations"]:
        if thing["image_id"] in evaluated:
            _, _, width, height = thing["bbox"]
            things.setdefault(thing["category_id"], []).append({"iscrowd": 0, "area": width * height, **thing})
    return {
        "images": [{"id": image_id} for image_id in image_ids],
        "annotations": things,
        "categories": [{"id": category, "name": name} for category, name in annotations.categories.items()],
    }


def _class_ap(precision: np.ndarray) -> Optional[float]:
    """AP over all areas with 100 detections, from precision [IoU, recall, 1, area, detections]; -1 is 'no truth'."""
    values = precision[:, :, 0, 0, -1]
    return _figure(values[values > -1].mean()) if (values > -1).any() else None


def _figure(value: float) -> Optional[float]:
    return None if value < 0 else float(value)
