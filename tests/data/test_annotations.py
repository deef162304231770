"""Annotations that contradict themselves are named."""

from pathlib import Path
from typing import Any, Callable

import pytest

from quant_accuracy.base.errors import (
    DataError,
)
from quant_accuracy.data import annotations


@pytest.mark.parametrize("width", ["sixty", "60.5", 60.5, None, True, 0, -60, 10 ** 400, [60]])
def test_an_image_whose_width_is_no_number_of_pixels_is_named(coco_folder: Callable[..., Path], width: Any) -> None:
    folder = coco_folder(images=[{"id": 7, "file_name": "colour.jpg", "width": width, "height": 40}], annotations=[])

    with pytest.raises(DataError, match="image 7 has the width .*; give whole pixels"):
        annotations.load(folder / "instances.json")


def test_a_category_named_with_half_a_character_is_an_error_that_names_it(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(annotations=[], categories=[{"id": 3, "name": "\ud800"}])

    with pytest.raises(DataError, match="the name of category 3 holds half of a character"):
        annotations.load(folder / "instances.json")


@pytest.mark.parametrize(("content", "message"), [
    ("{", "not readable as JSON"),
    ("[]", "holds a list"),
    ("{}", "no list 'images'"),
    ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\[0\] lacks width, height"),
])
def test_annotations_that_are_not_cocos_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(content)

    with pytest.raises(DataError, match=message):
        annotations.load(path)


_BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]}


@pytest.mark.parametrize(("change", "message"), [
    ({"image_id": 8}, "belongs to image 8, which is not among the images"),
    ({"category_id": 4}, "category 4, which is not among the categories"),
    ({"bbox": [1, 1, 5]}, "four finite numbers"),
    ({"bbox": [1, 1, 5, float("nan")]}, "four finite numbers"),
    ({"area": "large"}, "the area 'large'"),
    ({"area": -4.0}, "the area -4.0"),
    ({"iscrowd": 2}, "iscrowd 2"),
    ({"image_id": []}, r"belongs to image \[\], which is not a whole number"),
])
def test_an_annotation_that_contradicts_the_file_is_named(coco_folder: Callable[..., Path], change: Any,
                                                          message: str) -> None:
    folder = coco_folder(annotations=[{**_BOX, **change}])

    with pytest.raises(DataError, match=f"annotation 1.*{message}"):
        annotations.load(folder / "instances.json")


def test_an_id_that_is_there_twice_is_an_error(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(annotations=[_BOX, _BOX])

    with pytest.raises(DataError, match="annotations has the id 1 twice"):
        annotations.load(folder / "instances.json")


def test_categories_of_one_name_are_told_apart_by_id(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(categories=[{"id": 3, "name": "car"}, {"id": 90, "name": "car"}, {"id": 5, "name": "bus"}])

    found = annotations.load(folder / "instances.json")

    assert found.categories == {3: "car (3)", 90: "car (90)", 5: "bus"}
