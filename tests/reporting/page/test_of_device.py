"""What pages show of a device beside the other variants."""

import re
from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.reporting.page import of_device, pages, plots, side_by_side, views
from tests.support.report_documents import changed_image, device, document, past_run

_HEADINGS = ["float", "quantized", "device", "drop", "device drop", "whole drop"]


def _with_device(**changes: Any) -> Dict[str, Any]:
    return document(device=device(**changes), changed_images=[{**changed_image(4, "4.jpg"), "device": 0.4}],
                    history=[past_run(day=1), {**past_run(day=2), "device_mAP": 0.58, "device_drop": 0.01}])


def test_figures_have_the_device_and_what_it_loses_against_both_others() -> None:
    shown = side_by_side.figures(_with_device())

    assert [column.name for column in shown.columns] == ["figure", *_HEADINGS]
    assert [cell.text for cell in shown.rows[0]] == ["mAP", "0.6000", "0.5877", "0.5800", "0.0123", "0.0077", "0.0200"]
    # Each drop has the interval of its own pair.
    assert all(cell.small for cell in shown.rows[1][1:])


def test_drops_of_a_device_are_of_the_images_that_it_has_run() -> None:
    found = device(missing=10)
    found["metrics"]["quantized"]["figures"]["mAP"] = 0.59

    shown = side_by_side.figures(document(device=found))

    assert [cell.text for cell in shown.rows[0]][2:6] == ["0.5877", "0.5800", "0.0123", "0.0100"]
    told = of_device.view(found)
    assert told is not None
    assert "ran 30 of the 40 evaluated images" in told["missing"]


def test_classes_and_errors_have_columns_of_the_device() -> None:
    classes, errors = side_by_side.classes(_with_device()), side_by_side.errors(_with_device())

    assert [column.name for column in classes.columns] == ["class", *_HEADINGS]
    assert [cell.text for cell in classes.rows[0]] \
        == ["dog", "0.7000", "0.6500", "0.6400", "0.0500", "0.0100", "0.0600"]
    assert [column.name for column in errors.columns][1:6] == ["float", "quantized", "device", "difference",
                                                               "device difference"]


def test_agreement_is_told_in_a_few_lines() -> None:
    told = of_device.view(device())

    assert told is not None
    assert {entry.name: entry.value for entry in told["agreement"]} == {
        "found by the device": "0.9200 (230 of 250), 95 % interval 0.9000\N{NO-BREAK SPACE}.. 0.9400",
        "not found": "lower score 9, other class 2, other place 5, gone 4",
        "found by the device only": "17 of its 245 with a score of at least 0.3",
        "mean IoU": "0.9100", "score, device - simulation": "mean -0.0040, 95 % within ±0.0800"}
    assert [row[0].text for row in told["agreement_by_class"].rows] == ["17", "dog", "cat"]


def test_without_detections_there_is_no_agreement_to_tell() -> None:
    nothing = {**device()["agreement"], "share": None, "interval": None, "simulated": 0, "agreed": 0, "classes": {},
               "mean_iou": None, "mean_score_difference": None, "large_score_difference": None}
    text = pages.render(document(device=device(agreement=nothing)), "html", Path())

    assert "– (0 of 0)" in text


@pytest.mark.parametrize("form", ["html", "md"])
def test_pages_with_and_without_a_device_have_its_section_or_have_not(form: str, tmp_path: Path) -> None:
    within, without = (pages.render(given, form, tmp_path) for given in (_with_device(), document()))

    assert "device agreement" in within
    assert "found by the device" in within
    assert not re.search(r"device (agreement|drop|mAP)|id=\"device", without)


def test_plots_draw_the_device_in_its_colour() -> None:
    drawn, without = plots.draw(_with_device()), plots.draw(document())

    for plot in (drawn.curves, drawn.errors, drawn.history, *drawn.class_curves):
        assert plot is not None
        assert "var(--device)" in plot.svg
    assert without.curves is not None
    assert "var(--device)" not in without.curves.svg
    assert drawn.curves is not None
    assert "float → quantized → device: " in drawn.curves.summary


def test_tables_of_runs_have_the_device_where_a_run_had_one() -> None:
    history = views.view(_with_device())["history"]

    assert [column.name for column in history.columns][1:6] == ["float", "quantized", "device", "drop", "device drop"]
    assert [[cell.text for cell in row][3] for row in history.rows] == ["0.5800", "–"]
