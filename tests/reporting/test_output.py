"""What an evaluation leaves: files of this run, and none of an earlier one that could be taken for it."""

import json
from dataclasses import replace
from pathlib import Path

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import TFLITE
from quant_accuracy.pipeline.evaluation import evaluate
from quant_accuracy.reporting import output
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support import repair_documents, report_documents


def test_nothing_of_a_device_stays_behind_when_the_next_run_has_none(demo: DataPaths, demo_card: ModelCard,
                                                                     cache: Cache, tmp_path: Path) -> None:
    of_device = {"model.tflite", "parameters.json", "device.json"}
    left = []
    for device in (TFLITE, None):
        done = evaluate(Request(replace(demo_card, device=device), demo, 1, "1", 2), cache)
        written = [*output.write(done, tmp_path), *output.export_quantsim(done.artifacts, tmp_path)]
        left.append({path.name for path in tmp_path.rglob("*.*") if path.name in of_device})
        assert left[-1] == of_device & {path.name for path in written}

    assert left == [of_device, set()]
    assert json.loads((tmp_path / "report.json").read_text())["device"] is None


def test_a_repair_stands_in_every_form_of_the_report(
        demo: DataPaths, demo_card: ModelCard, cache: Cache, tmp_path: Path) -> None:
    given = repair_documents.repair()

    output.write(evaluate(Request(demo_card, demo, 1, "1", 2), cache), tmp_path, repair=given)

    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert document["repair"] == given
    assert not report_documents.schema_errors(document)
    for form in ("md", "html"):
        assert "equalization + AdaRound passes every gate" in (tmp_path / f"report.{form}").read_text(encoding="utf-8")
