"""What pycocotools makes of the files that a report leaves."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.data import annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.scoring.metrics import FIGURES, Metrics


def of_files(annotations: Path, detections: Path) -> COCOeval:
    """The evaluation of COCO results, all three steps of it; `stats` holds the 12 figures."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def of_image(annotations: Path, detections: Path, image_id: int) -> float:
    """The mAP of a data set of this image only."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "bbox")
        evaluation.params.imgIds = [image_id]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def of_pycocotools(truth: annotations.Annotations, merged: Merged) -> COCOeval:
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


def assert_figures_equal(metrics: Metrics, evaluation: COCOeval, truth: annotations.Annotations) -> None:
    ours = [-1.0 if metrics.figures[name] is None else metrics.figures[name] for name in FIGURES]
    np.testing.assert_allclose(ours, evaluation.stats, rtol=1e-12)
    for position, category in enumerate(evaluation.params.catIds):
        values = evaluation.eval["precision"][:, :, position, 0, -1]
        ap = metrics.per_class[truth.categories[category]]
        assert (-1.0 if ap is None else ap) == pytest.approx(values.mean(), rel=1e-12)
