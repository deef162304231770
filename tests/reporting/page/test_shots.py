"""What the page shows of images: items, what became of them, and where their numbers stand."""

import re
from typing import Any, List, Optional

import pytest

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.reporting.page import overlay, shots
from quant_accuracy.reporting.page.shots import Item
from tests.support.report_documents import changed_image, detected


def _items(**changes: Any) -> List[Item]:
    return shots.items(changed_image(17, "17.jpg", **changes), FLOAT, QUANTIZED)


def test_an_object_and_the_detections_that_took_it_are_one_item_and_changes_come_first() -> None:
    told = [(item.name, item.change, item.told_scores, item.told_ious, item.seen) for item in _items()]

    assert told == [
        ("dog", "lost", "0.70 → 0.20", "0.93 → 0.93", True),
        ("fox", "gained", "– → 0.40", "", True),
        ("dog", "moved", "0.60 → 0.58", "1.00 → 0.60", True),
        ("cat", "score", "0.90 → 0.80", "1.00 → 0.96", True),
        ("fox", "missed", "– → –", "– → –", True),
        ("fox", "missed", "0.10 → –", "", False)]
    assert [item.number for item in _items()] == [1, 2, 3, 4, 5, 6]


def test_wrong_detections_of_one_class_and_place_are_one_item() -> None:
    found = _items(objects=[], detections={
        "float": [detected([10, 10, 50, 50], "cat", 0.9), detected([12, 10, 50, 50], "cat", 0.5)],
        "quantized": [detected([10, 12, 50, 50], "cat", 0.7), detected([10, 10, 50, 50], "dog", 0.6)]})

    assert [(item.name, item.told_scores) for item in found] == [
        ("cat", "0.50 → –"), ("dog", "– → 0.60"), ("cat", "0.90 → 0.70")]


@pytest.mark.parametrize(("before", "after", "moved", "expected"), [
    (0.9, 0.29, "", "lost"), (0.9, None, "", "lost"), (None, 0.3, "", "gained"), (0.1, 0.9, "moved", "gained"),
    (0.9, 0.9, "moved", "moved"), (0.9, 0.8, "IoU", "IoU"), (0.9, 0.8, "", "score"), (0.8, 0.9, "", "score"),
    (0.85, 0.8, "", "score"), (0.9, 0.87, "", "same"), (None, None, "", "missed"), (0.2, 0.1, "moved", "missed"),
])
def test_what_became_of_an_item_follows_from_scores_and_place(before: Optional[float], after: Optional[float],
                                                              moved: str, expected: str) -> None:
    assert shots.change(before, after, moved, 0.3) == expected


@pytest.mark.parametrize(("before", "after", "expected"), [
    (0.91, 0.89, "IoU"), (0.89, 0.91, "IoU"), (0.90, 0.94, "same"), (0.49, 0.45, "same"),
])
def test_a_box_that_passes_other_thresholds_of_ap_is_not_the_same(before: float, after: float, expected: str) -> None:
    box = [10.0, 20.0, 100.0, 80.0]
    (item,) = _items(objects=[{"box": box, "name": "cat", "crowd": False}], detections={
        "float": [detected(box, "cat", 0.9, 0, before)], "quantized": [detected(box, "cat", 0.9, 0, after)]})

    assert item.change == expected


def test_images_of_the_device_are_compared_with_the_simulation() -> None:
    image = changed_image(3, "3.jpg", device=0.2, objects=[], detections={
        "float": [], "quantized": [detected([10, 10, 50, 50], "cat", 0.9)], "device": []})

    (plain,), (on_device,) = (shots.view([image], section) for section in ("images", "device-images"))

    assert [item.change for item in plain["items"]] == ["gained"]
    assert [item.change for item in on_device["items"]] == ["lost"]
    assert on_device["anchor"] == "device-image-3"
    assert on_device["device"] == "0.2000"
    assert DEVICE in on_device["items"][0].scores


def _texts(svg: str) -> List[List[float]]:
    return [[float(number) for number in found] for found in re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)"', svg)]


@pytest.mark.parametrize("size", [(320, 240), (240, 640), (2000, 100)])
def test_numbers_stand_beside_the_picture_and_not_on_each_other(size: Any) -> None:
    boxes = [{"box": [5.0 + place, 4.0, 10.0, 10.0], "name": "cat", "crowd": False} for place in range(4)]
    (image,) = shots.view([changed_image(1, "1.jpg", width=size[0], height=size[1], objects=boxes,
                                         detections={"float": [], "quantized": []})], "images")
    drawn = overlay.draw(image)
    (width, height), = re.findall(r'viewBox="-26 0 ([\d.]+) ([\d.]+)"', drawn["svg"])
    picture = float(width) - 52
    places = _texts(drawn["svg"])

    assert len(places) == 4
    assert all(x < 0 or x > picture for x, _ in places)
    assert all(0 < y <= float(height) for _, y in places)
    if float(height) > 60:
        heights = sorted(y for _, y in places)
        assert min(after - before for before, after in zip(heights, heights[1:])) >= 14


def test_boxes_lie_where_they_are_in_units_of_the_drawing() -> None:
    (image,) = shots.view([changed_image(17, "17.jpg")], "images")
    svg = overlay.draw(image)["svg"]

    # The longer side is 560 units for 320 pixels.
    assert '<rect class="float right" data-score="0.9000" x="17.5" y="35.0" width="175.0" height="140.0"/>' in svg
    assert '<rect class="quantized wrong" data-score="0.4000"' in svg
    assert '<rect class="truth crowd"' in svg
    assert "<title>1 dog: 0.70 → 0.20, IoU 0.93 → 0.93</title>" in svg


def test_names_in_the_drawing_are_escaped() -> None:
    (image,) = shots.view([changed_image(17, "17.jpg", objects=[
        {"box": [1, 1, 5, 5], "name": "</svg><script>", "crowd": False}], detections={"float": [], "quantized": []})],
                          "images")

    assert "&lt;/svg&gt;&lt;script&gt;" in overlay.draw(image)["svg"]
