"""What a report holds, read back."""

import json
from pathlib import Path

import numpy as np

from quant_accuracy.detection import merge
from quant_accuracy.detection.merge import Merged
from quant_accuracy.reporting.document import read_report
from quant_accuracy.scoring import coco
from tests.support.detections import random_truth
from tests.support.large_ids import CATEGORIES, LARGE, detected, ordered, renumbered


def test_results_that_are_read_back_have_the_ids_that_were_written(tmp_path: Path) -> None:
    small = random_truth(np.random.RandomState(3), images=len(LARGE))
    large = renumbered(small, ordered(small), {key: key for key in CATEGORIES})
    found = merge.merge([detected(large, seed=4)], large)
    (tmp_path / "float.json").write_text(json.dumps(list(found.as_coco())))

    again = read_report.read_detections(tmp_path / "float.json")

    assert again.equals(found.results)
    assert coco.score(Merged(found.image_ids, again), large) == coco.score(found, large)
