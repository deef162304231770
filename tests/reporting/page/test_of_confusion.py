"""The confusion of classes on the page: pairs, errors by class, and which classes and variants are drawn."""

from typing import Any, Dict

from quant_accuracy.reporting.page import of_confusion
from tests.support import report_documents
from tests.support.report_documents import confusion


def _view(given: Dict[str, Any]) -> Dict[str, Any]:
    return of_confusion.view({"confusion": given, "device": None})


def test_the_pairs_that_changed_are_told_and_what_is_right_is_none() -> None:
    given = confusion("cat", "dog")
    given["counts"]["quantized"] += [[1, 2, 7]]
    given["counts"]["float"][0] = [0, 0, 25]

    assert [[cell.text for cell in row] for row in _view(given)["pairs"].rows] == [
        ["dog", "not found", "0", "7", "+7"], ["cat", "dog", "1", "6", "+5"]]


def test_of_many_classes_those_that_changed_most_are_drawn() -> None:
    given = confusion(*(f"class {number}" for number in range(80)))
    given["counts"]["quantized"] += [[70, 71, 9]]
    shown = _view(given)

    assert shown["left_out"] == 60
    assert "class 70 detected as class 71: +9" in shown["maps"][2].svg


def test_errors_of_a_class_are_told_by_kind_most_changed_first() -> None:
    given = confusion("cat", "dog")
    kinds = given["errors"]["float"]["dog"]
    given["errors"] = {"float": {"dog": {**kinds, "missed": 2}}, "quantized": {"dog": {**kinds, "missed": 2},
                                                                              "cat": {**kinds, "missed": 4}}}
    errors = _view(given)["errors"]

    assert [(row[0].text, row[1].text, row[-2].text, row[-1].text) for row in errors.rows] == [
        ("cat", "0 → 1", "0 → 4", "+5"), ("dog", "1", "2", "0")]


def test_without_objects_and_detections_there_is_no_map() -> None:
    given = confusion("cat", "dog")
    given.update(counts={"float": [], "quantized": []}, errors={"float": {}, "quantized": {}})

    assert _view(given)["maps"] == []
    assert _view(given)["left_out"] == 0


def test_a_device_has_its_map_its_columns_and_its_difference_on_the_images_that_it_has_run() -> None:
    on_its_images = confusion("cat", "dog", "emu", "fox")
    counts = {"quantized": [[0, 0, 10], [0, 1, 2]], "device": [[0, 0, 9], [0, 1, 6]]}
    errors = {side: {"dog": {**on_its_images["errors"]["float"]["dog"], "classification": count}}
              for side, count in (("quantized", 2), ("device", 6))}
    device = report_documents.device(confusion={**on_its_images, "counts": counts, "errors": errors})
    shown = of_confusion.view(report_documents.document(device=device))

    assert [item.title for item in shown["maps"]] == ["float", "quantized", "device", "quantized - float",
                                                      "device - quantized"]
    assert "cat detected as dog: +4" in shown["maps"][-1].svg
    assert [cell.text for cell in shown["pairs"].rows[0]] == ["cat", "dog", "1", "6", "6", "+5", "+4"]
    dog, = shown["errors"].rows
    assert [cell.text for cell in dog[1:2]] == ["1 → 6 → 6"]
    assert [cell.text for cell in dog[-2:]] == ["+5", "+4"]
