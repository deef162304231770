"""What a run writes at its end, and what it says where it cannot."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import TFLITE
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.plugin import findings, reports
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values
from tests.support import suite


def test_a_history_that_cannot_be_read_is_left_as_it_is_and_the_status_says_so(demo: DataPaths, tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text('{"a": 1}\n')

    done = suite.run(tmp_path, "--shards", "2", "-k", "mAP_ratio", "--history", str(history))

    assert done.status == 2
    assert f"nothing was added to the history: {history}: line 1." in done.said
    assert history.read_text() == '{"a": 1}\n'


def test_a_report_that_could_not_be_made_is_told_as_that() -> None:
    told = reports.write([{"mine": {"no_report": "it is dark"}}], Values({"report": ("json",)}))

    assert told == reports.Told(["no report of mine was written: it is dark"], failed=True)


def test_what_no_test_makes_is_nothing_that_failed(tmp_path: Path) -> None:
    values = Values({"report": ("json",), "quantsim_output_dir": tmp_path})

    assert not reports.write([{}], values).failed
    assert not reports.export([{}], values).failed


def test_nothing_is_told_where_nothing_was_asked_for() -> None:
    assert reports.write([{}], Values({})) == reports.export([{}], Values({})) == reports.Told([])


def test_an_integer_model_is_exported_with_its_simulation(demo: DataPaths, demo_card: ModelCard, cache: Cache,
                                                          tmp_path: Path) -> None:
    config: Any = SimpleNamespace(stash=pytest.Stash())
    findings.of(config, "mine").prepared = prepare(Request(replace(demo_card, device=TFLITE), demo, 1, "1", 2), cache)
    # As a worker of xdist sends it.
    found = json.loads(json.dumps(findings.close_all(config)))

    told = reports.export([found], Values({"quantsim_output_dir": tmp_path}))

    assert not told.failed
    assert {"model.encodings", "model.tflite", "parameters.json"} <= {path.name for path in tmp_path.iterdir()}
    assert f"wrote {tmp_path / 'model.tflite'}" in told.lines
