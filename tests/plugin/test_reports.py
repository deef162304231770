"""What a run writes at its end, and what it says where it cannot."""

from pathlib import Path

from quant_accuracy.plugin import reports
from quant_accuracy.settings.card import DataPaths
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
