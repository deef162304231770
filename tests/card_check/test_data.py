import json
import shutil
from dataclasses import replace
from typing import Any, Callable, Dict

import pytest

from quant_accuracy.card_check import data
from quant_accuracy.card_check.data import Found
from quant_accuracy.settings.card import DataPaths, ModelCard

_Document = Dict[str, Any]


def _check(card: ModelCard, paths: DataPaths, change: Callable[[_Document], None] = lambda document: None) -> Found:
    document = json.loads(paths.annotations.read_text())
    change(document)
    paths.annotations.write_text(json.dumps(document))
    return data.check(card, paths.dataset_dir, paths.pattern, paths.annotations)


@pytest.fixture
def small(demo_card: ModelCard) -> ModelCard:
    """The demo's card, for two shards of the demo."""
    return replace(demo_card, calibration_images=5, part_of_annotations=True)


def test_data_that_fits_has_no_fault(small: ModelCard, demo_copy: DataPaths) -> None:
    found = _check(small, demo_copy)

    assert (found.faults, found.notes) == ([], [])
    assert "200 images, 12 categories" in found.summary
    assert found.summary.endswith("40 records")


def _without_first_image(document: _Document) -> None:
    first = document["images"].pop(0)["id"]
    document["annotations"] = [thing for thing in document["annotations"] if thing["image_id"] != first]


def _renumbered(document: _Document, count: int) -> None:
    for category in document["categories"][:count]:
        category["id"] += 500
    moved = {category["id"] - 500 for category in document["categories"][:count]}
    for thing in document["annotations"]:
        thing["category_id"] += 500 if thing["category_id"] in moved else 0


def test_images_and_categories_that_the_annotations_lack_are_told_at_once(small: ModelCard,
                                                                          demo_copy: DataPaths) -> None:
    def change(document: _Document) -> None:
        _without_first_image(document)
        _renumbered(document, len(document["categories"]))

    found = _check(replace(small, calibration_images=41), demo_copy, change)

    assert len(found.faults) == 3
    assert "41 calibration images are asked for, but the data set holds 40" in found.faults[0]
    assert "lacks 1 image of the records" in found.faults[1]
    assert "has none of the categories that the records name" in found.faults[2]


def test_annotations_of_some_of_the_classes_are_a_note(small: ModelCard, demo_copy: DataPaths) -> None:
    found = _check(small, demo_copy, lambda document: _renumbered(document, 1))

    assert found.faults == []
    assert "lacks 1 of the 12 categories that the records name" in found.notes[0]


def test_images_in_no_record_and_in_two_are_told(small: ModelCard, demo_copy: DataPaths) -> None:
    shutil.copy(str(demo_copy.dataset_dir / "val.record-00000-of-00002"),
                str(demo_copy.dataset_dir / "val.record-00001-of-00002"))

    found = _check(replace(small, part_of_annotations=False), demo_copy)

    assert len(found.faults) == 2
    assert "20 images of the records stand there more than once" in found.faults[0]
    assert "lacks 180 images of the annotations" in found.faults[1]


def test_a_pattern_that_takes_a_part_is_a_note(small: ModelCard, demo_copy: DataPaths) -> None:
    found = data.check(replace(small, part_of_annotations=False), demo_copy.dataset_dir, "val.record-00000-of-*",
                       demo_copy.annotations)

    assert found.faults == []
    assert "takes 1 of the 2 shards" in found.notes[0]


def test_damaged_shards_and_annotations_do_not_hide_each_other(small: ModelCard, demo_copy: DataPaths) -> None:
    demo_copy.annotations.write_text("{")
    shard = demo_copy.dataset_dir / "val.record-00001-of-00002"
    content = bytearray(shard.read_bytes())
    content[40] ^= 255
    shard.write_bytes(bytes(content))

    found = data.check(small, demo_copy.dataset_dir, demo_copy.pattern, demo_copy.annotations)

    assert len(found.faults) == 2
    assert "instances.json: not readable as JSON" in found.faults[0]
    assert "val.record-00001-of-00002: record 0 is damaged" in found.faults[1]
