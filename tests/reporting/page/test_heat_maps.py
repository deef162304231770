"""The confusion of classes: pairs, errors by class, and the pictures."""

import re
from typing import Any, Dict, List

from quant_accuracy.reporting.page import heat_maps
from tests.support.report_documents import confusion


def _notes(item: heat_maps.HeatMap) -> List[str]:
    return re.findall("<title>(.*?)</title>", item.svg)


def test_the_pairs_that_changed_are_told_and_what_is_right_is_none() -> None:
    given = confusion("cat", "dog")
    given["counts"]["quantized"] += [[1, 2, 7]]
    given["counts"]["float"][0] = [0, 0, 25]

    pairs = heat_maps.view(given)["pairs"]

    assert [[cell.text for cell in row] for row in pairs.rows] == [
        ["dog", "not found", "0", "7", "+7"], ["cat", "dog", "1", "6", "+5"]]


def test_each_picture_has_a_square_for_what_there_is() -> None:
    floats, quantized, difference = heat_maps.view(confusion("cat", "dog"))["maps"]

    assert _notes(floats) == ["cat detected as cat: 20", "cat detected as dog: 1", "cat detected as not found: 2",
                              "dog detected as dog: 20", "no object detected as cat: 3"]
    assert "cat detected as dog: 6" in _notes(quantized)
    assert _notes(difference) == ["cat detected as dog: +5"]


def test_more_of_what_is_wrong_is_worse_and_more_of_what_is_right_is_better() -> None:
    given: Dict[str, Any] = {**confusion("cat", "dog"), "counts": {"float": [[0, 0, 1], [0, 1, 1]],
                                                                  "quantized": [[0, 0, 2], [0, 1, 2], [1, 1, 0]]}}
    difference = heat_maps.view(given)["maps"][2].svg

    assert re.findall(r"fill: var\(--(\w+)\); fill-opacity: [\d.]+\"><title>(.*?)</title>", difference) == [
        ("float", "cat detected as cat: +1"), ("quantized", "cat detected as dog: +1")]


def test_of_many_classes_those_that_changed_most_are_drawn() -> None:
    given = confusion(*(f"class {number}" for number in range(80)))
    given["counts"]["quantized"] += [[70, 71, 9]]
    shown = heat_maps.view(given)

    assert shown["left_out"] == 60
    assert "class 70 detected as class 71: +9" in _notes(shown["maps"][2])


def test_errors_of_a_class_are_told_by_kind_most_added_first() -> None:
    given = confusion("cat", "dog")
    kinds = given["errors"]["float"]["dog"]
    given["errors"] = {"float": {"dog": {**kinds, "missed": 2}}, "quantized": {"dog": {**kinds, "missed": 2},
                                                                              "cat": {**kinds, "missed": 4}}}
    errors = heat_maps.view(given)["errors"]

    assert [(row[0].text, row[1].text, row[-2].text, row[-1].text) for row in errors.rows] == [
        ("cat", "0 → 1", "0 → 4", "+5"), ("dog", "1", "2", "+0")]


def test_names_in_the_pictures_are_escaped() -> None:
    for item in heat_maps.view(confusion("</svg><script>", "a\"b"))["maps"]:
        assert "<script>" not in item.svg
