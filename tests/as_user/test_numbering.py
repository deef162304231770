"""Annotations that number categories otherwise than the model does."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from rich.console import Console

from quant_accuracy.base import command_line
from quant_accuracy.base.cache import Cache
from quant_accuracy.commands import report
from quant_accuracy.pipeline.evaluation import evaluate
from quant_accuracy.reporting import terminal
from quant_accuracy.reporting.document import contents
from quant_accuracy.reporting.page import pages
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support import report_documents
from tests.support.report_documents import schema_errors


def _with(demo: DataPaths, folder: Path, change: Callable[[Dict[str, Any]], None]) -> DataPaths:
    """The demo with other annotations."""
    document = json.loads(demo.annotations.read_text(encoding="utf-8"))
    change(document)
    (folder / "instances.json").write_text(json.dumps(document))
    return replace(demo, annotations=folder / "instances.json")


def _without_gaps(document: Dict[str, Any]) -> None:
    numbers = {category["id"]: place for place, category in enumerate(document["categories"])}
    for category in document["categories"]:
        category["id"] = numbers[category["id"]]
    for thing in document["annotations"]:
        thing["category_id"] = numbers[thing["category_id"]]


def test_annotations_that_number_categories_otherwise_end_a_report(demo: DataPaths, tmp_path: Path,
                                                                   capsys: pytest.CaptureFixture) -> None:
    data = _with(demo, tmp_path, _without_gaps)

    status = report.main(["--model", options.DEMO_CARD, "--shards", "0-1", "--annotation-json-file",
                          str(data.annotations), "--output-dir", str(tmp_path / "report")])

    assert status == command_line.NOT_MEASURED
    said = capsys.readouterr().err
    assert f"error: {data.annotations}: numbers categories differently from the model: of " in said
    assert "give its categories the ids that the model detects, or use the annotations that it was trained for" in said


def test_a_report_counts_what_annotations_of_some_classes_leave_out(demo: DataPaths, demo_card: ModelCard, cache: Cache,
                                                                   tmp_path: Path) -> None:
    def first_three(document: Dict[str, Any]) -> None:
        document["categories"] = document["categories"][:3]
        kept = [category["id"] for category in document["categories"]]
        document["annotations"] = [thing for thing in document["annotations"] if thing["category_id"] in kept]

    done = evaluate(Request(demo_card, _with(demo, tmp_path, first_three), 1, "0-1"), cache)

    document = contents.as_document(done, tmp_path)
    results = list(done.variants["float"].merged.as_coco())
    lost = [result["category_id"] for result in results if result["category_id"] not in done.prepared.truth.categories]
    assert document["unknown_categories"]["float"] == {str(number): lost.count(number) for number in set(lost)}
    assert len(lost) > 100
    line = f"float: {len(lost)} of {len(results)} detections have a category id that the annotations lack ("
    console = Console(file=io.StringIO(), width=200)
    terminal.print_table(done, console)
    assert line in console.file.getvalue()  # type: ignore[attr-defined]
    for form in ("html", "md"):
        assert line[0].upper() + line[1:] in pages.render(document, form, tmp_path)
    assert schema_errors(document) == []
    assert "annotations lack" not in pages.render(report_documents.document(), "md", tmp_path)
