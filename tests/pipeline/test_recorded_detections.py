"""The device variant from a file of detections: scored as any variant, or refused with what it looks like."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.detection.run import Run
from quant_accuracy.pipeline import inference, recorded_detections
from quant_accuracy.pipeline import variant as variants
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant

Records = List[Dict[str, Any]]


@pytest.fixture(scope="module")
def reference(part: Prepared) -> Variant:
    """A variant of the same images, in the place of the simulation."""
    return variants.score(part, inference.detect(part, [Run(FLOAT)])[Run(FLOAT)])


@pytest.fixture
def score(part: Prepared, reference: Variant, tmp_path: Path) -> Callable[[Records], Variant]:
    """Scores records as a file of detections."""

    def of(records: Records) -> Variant:
        path = tmp_path / "detections.json"
        path.write_text(json.dumps(records))
        return recorded_detections.score(part, recorded_detections.read(part, path), reference)

    return of


def _records(variant: Variant) -> Records:
    return list(variant.merged.as_coco())


def test_a_variant_that_is_written_and_read_again_has_the_same_figures(
        reference: Variant, score: Callable[[Records], Variant]) -> None:
    found = score(_records(reference))

    assert found.merged.results.equals(reference.merged.results)
    np.testing.assert_array_equal(found.merged.image_ids, reference.merged.image_ids)
    assert found.metrics == reference.metrics
    for (shard, one), (same, other) in zip(found.parts, reference.parts):
        assert shard == same
        np.testing.assert_array_equal(one.image_ids, other.image_ids)
        np.testing.assert_array_equal(one.counts, other.counts)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)
    assert found.speed is None


def test_the_order_of_images_in_the_file_makes_no_difference(reference: Variant,
                                                             score: Callable[[Records], Variant]) -> None:
    records = _records(reference)

    found = score(sorted(records, key=lambda record: -record["image_id"]))

    assert found.merged.results.equals(reference.merged.results)


def test_detections_of_images_that_are_not_evaluated_are_left_out_with_a_note(part: Prepared, reference: Variant,
                                                                              tmp_path: Path) -> None:
    path, first = tmp_path / "detections.json", replace(part, shards=[part.shards[0]])
    path.write_text(json.dumps(_records(reference)))

    recorded = recorded_detections.read(first, path)
    found = recorded_detections.score(first, recorded, variants.score(
        first, inference.detect(first, [Run(FLOAT)])[Run(FLOAT)]))

    assert len(found.merged.image_ids) == 20
    assert any("detections of images that are not evaluated were left out" in note for note in recorded.notes)


def _changed(**change: Callable[[Dict[str, Any]], Any]) -> Callable[[Records], Records]:
    return lambda records: [{**record, **{key: of(record) for key, of in change.items()}} for record in records]


def _some_unknown(records: Records) -> Records:
    return [*records, {**records[0], "image_id": 5}, {**records[1], "image_id": 6}]


def _listed(records: Records) -> Records:
    places = {image: place for place, image in enumerate(sorted({record["image_id"] for record in records}))}
    return [{**record, "image_id": places[record["image_id"]]} for record in records]


def _not_run(records: Records) -> Records:
    last = sorted({record["image_id"] for record in records})[-3:]
    return [record for record in records if record["image_id"] not in last]


def _corners(record: Dict[str, Any]) -> List[float]:
    x, y, width, height = record["bbox"]
    return [x, y, x + width, y + height]


@pytest.mark.parametrize(("change", "said"), [
    (_some_unknown, r"2 of 25 image ids are not in .* \(5, 6\); give the results of this data set"),
    (_listed, "image ids are not in .* they look like positions in a list"),
    (_changed(category_id=lambda record: record["category_id"] + 1000), "none of the category ids"),
    (_changed(category_id=lambda record: record["category_id"] - 1), "category ids begin at 0"),
    (_changed(category_id=lambda record: record["category_id"] % 90 + 1), "numbers categories differently.*shifted by"),
    (_changed(bbox=lambda record: [record["bbox"][at] for at in (1, 0, 3, 2)]), "boxes look like y, x, height, width"),
    (_changed(bbox=_corners), "boxes look like left, top, right, bottom"),
    (lambda records: records + records, "all detections of 23 images are there twice or more"),
    (_not_run, "3 of 23 images have no detection .* hardly run; judge the part that is there with --shards 1, or run"),
    (lambda records: [], "holds no detection of an image that is evaluated"),
])
def test_detections_that_are_written_otherwise_are_refused_with_what_they_look_like(
        reference: Variant, score: Callable[[Records], Variant], change: Callable[[Records], Records],
        said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        score(change(_records(reference)))

    assert "detections.json: " in str(raised.value)


def test_a_pipeline_with_a_threshold_may_leave_images_without_detections(reference: Variant,
                                                                         score: Callable[[Records], Variant]) -> None:
    found = score([record for record in _records(reference) if record["score"] > 0.6])

    assert len(found.merged.image_ids) == 23


def test_unknown_categories_beside_known_ones_stay_as_in_any_variant(reference: Variant,
                                                                     score: Callable[[Records], Variant]) -> None:
    records = _records(reference)

    found = score([*records, {**records[0], "category_id": 4000}])

    assert found.metrics.mAP == reference.metrics.mAP
