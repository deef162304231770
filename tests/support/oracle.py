"""What pycocotools makes of the files that a report leaves."""

import contextlib
import io
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def of_files(annotations: Path, detections: Path) -> COCOeval:
    """The evaluation of COCO results, all three steps of it; `stats` holds the 12 figures."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
