"""Two runs on the same images: which these are."""

import json
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data import annotations
from quant_accuracy.scoring import paired_runs


def _truth(folder: Path) -> annotations.Annotations:
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": [{"id": key, "width": 9, "height": 9} for key in (1, 2, 3)],
                                "annotations": [], "categories": []}))
    return annotations.load(path)


@pytest.mark.parametrize(("images", "detected", "expected"), [
    (3, {1, 2}, ([1, 2, 3], 0)),
    (2, {3, 1}, ([1, 3], 0)),
    (2, {3}, ([3], 1)),
    (3, set(), ([1, 2, 3], 0)),
], ids=["all annotated", "all detected", "one nobody names", "no detections"])
def test_evaluated_images_are_those_that_are_known(tmp_path: Path, images: int, detected: Any,
                                                   expected: Tuple[List[int], int]) -> None:
    ids, unnamed = paired_runs.evaluated_images(images, detected, _truth(tmp_path))

    assert (ids.tolist(), unnamed) == expected


@pytest.mark.parametrize(("images", "detected", "message"), [
    (3, {1, 4}, "detections of image 4, which is not in"),
    (1, {1, 2}, "detections of 2 images, but the reports say that 1"),
])
def test_detections_of_images_that_were_not_evaluated_are_refused(tmp_path: Path, images: int, detected: Any,
                                                                  message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        paired_runs.evaluated_images(images, detected, _truth(tmp_path))
