"""The history of runs: what a line says, and that no writer can spoil another's, alive or killed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest

from quant_accuracy.base import files
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.reporting.document import history
from quant_accuracy.reporting.document.history import Entry
from tests.support.places import ROOT

# Makes `entry(model)` and `path` for a process of its own.
_PROLOGUE = """
import os, signal, sys
from pathlib import Path
from quant_accuracy.reporting.document import history
path = Path(sys.argv[1])
def entry(model):
    figures = {name: {"figures": {"mAP": 0.5}} for name in ("float", "quantized")}
    document = {"model": model, "images": 1, "shards": "0", "metrics": figures, "mAP_drop": 0.0, "verdicts": [],
                "provenance": {"long": "x" * 3000}, "run": {"ended": "2019-10-15T12:00:00Z"}}
    return history.entry(document)
"""


def _document(**changes: Any) -> Dict[str, Any]:
    return {"model": "mine", "images": 40, "shards": "0-3,7", "mAP_drop": 0.0123,
            "metrics": {"float": {"figures": {"mAP": 0.6}}, "quantized": {"figures": {"mAP": 0.5877}}},
            "verdicts": [{"outcome": "pass"}, {"outcome": "fail"}, {"outcome": "pass"}],
            "provenance": {"data": {"annotations": "12ab"}, "versions": {"numpy": "1.18.5"}},
            "run": {"ended": "2019-10-15T12:00:00Z"}, **changes}


def _entry(**changes: Any) -> Entry:
    return history.entry(_document(**changes))


def _start(script: str, *arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _PROLOGUE + script, *map(str, arguments)], cwd=str(ROOT))


def test_an_entry_says_what_the_report_says() -> None:
    found = _entry()

    assert found == Entry("2019-10-15T12:00:00Z", "mine", 40, "0-3,7", 0.6, 0.5877, 0.0123, {"pass": 2, "fail": 1},
                          _document()["provenance"], files.digest_value(_document()["provenance"]))


def test_what_was_appended_is_read_in_that_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    written = [_entry(model=name, mAP_drop=drop) for name, drop in (("a", 0.1), ("b", None), ("ü\n", -0.1))]

    for entry in written:
        history.append(path, entry)

    assert history.read(path) == written
    assert len(path.read_text().splitlines()) == 3


def test_a_document_gets_the_history_of_its_model_with_the_run_that_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    documents = [_document(), _document(model="other"),
                 _document(mAP_drop=None, provenance={"data": {"annotations": "34cd"}, "versions": {"numpy": "1.18.5"}},
                           run={"ended": "2019-10-16T12:00:00Z"})]

    remembered = [history.remember(path, document) for document in documents]

    first = {"time": "2019-10-15T12:00:00Z", "float_mAP": 0.6, "quantized_mAP": 0.5877, "drop": 0.0123, "images": 40,
             "shards": "0-3,7", "changed": [], "device_mAP": None, "device_drop": None}
    second = {**first, "time": "2019-10-16T12:00:00Z", "drop": None, "changed": ["data.annotations"]}
    assert [found["history"] for found in remembered] == [[first], [first], [first, second]]
    assert {**remembered[0], "history": None} == {**documents[0], "history": None}
    assert "history" not in documents[0]


def test_a_history_that_nobody_has_written_is_empty(tmp_path: Path) -> None:
    assert history.read(tmp_path / "none.jsonl") == []


def test_a_line_names_what_changed_since_the_line_before_of_its_model(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    other = {"data": {"annotations": "12ab"}, "versions": {"numpy": "1.19.0", "tensorflow": "1.15.5"}}
    runs: List[Dict[str, Any]] = [{}, {"model": "other", "provenance": {}}, {}, {"provenance": other},
                                  {"provenance": other}]

    for changes in runs:
        history.append(path, _entry(**changes))

    found = history.read(path)
    assert [entry.changed for entry in found] == [(), (), (), ("versions.numpy", "versions.tensorflow"), ()]
    assert [found[0].digest == entry.digest for entry in found] == [True, False, True, False, False]


def test_what_a_line_says_of_lines_before_it_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"

    history.append(path, replace(_entry(), changed=("moved.key",)))

    assert history.read(path) == [_entry()]


def test_two_writers_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    script = "for number in range(200):\n    history.append(path, entry(f'{sys.argv[2]} {number}'))"

    writers = [_start(script, path, name) for name in ("one", "two")]

    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    names = [entry.model for entry in history.read(path)]
    assert len(names) == 400
    for name in ("one", "two"):
        assert [model for model in names if model.startswith(name)] == [f"{name} {number}" for number in range(200)]


def test_a_killed_writer_spoils_neither_the_lines_before_nor_those_after(tmp_path: Path,
                                                                        capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "history.jsonl"
    script = """
history.append(path, entry("whole"))
write = os.write
def torn(file, content):
    write(file, content[:len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = torn
history.append(path, entry("torn"))
"""
    assert _start(script, path).wait(timeout=60) == -signal.SIGKILL

    assert [entry.model for entry in history.read(path)] == ["whole"]
    assert f"warning: {path}: line 2 is cut short" in capsys.readouterr().err
    history.append(path, _entry(model="next"))
    history.append(path, _entry(model="last"))
    assert [entry.model for entry in history.read(path)] == ["whole", "next", "last"]
    assert capsys.readouterr().err.count("warning") == 1


def test_a_last_line_that_lacks_only_its_end_is_read(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "history.jsonl"
    history.append(path, _entry(model="first"))
    path.write_bytes(path.read_bytes()[:-1])

    history.append(path, _entry(model="second"))
    path.write_bytes(path.read_bytes()[:-1])

    assert [entry.model for entry in history.read(path)] == ["first", "second"]
    assert capsys.readouterr().err == ""


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history.append(path, _entry())
    before = path.read_bytes()
    script = """
import resource
from quant_accuracy.base.errors import StorageError
limit = path.stat().st_size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    history.append(path, entry("too long"))
except StorageError:
    sys.exit(7)
"""

    assert _start(script, path).wait(timeout=60) == 7
    assert path.read_bytes() == before


def test_a_history_that_cannot_be_written_or_read_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for path in (tmp_path, tmp_path / "file" / "history.jsonl"):
        with pytest.raises(StorageError, match="the history cannot be written .*name a file that can be written"):
            history.append(path, _entry())
        with pytest.raises(ConfigurationError, match="the history cannot be read .*name a history file"):
            history.read(path)


@pytest.mark.parametrize(("changes", "message"), [
    ({"schema_version": 2}, "line 2.schema_version is 2, not 1; start another history file"),
    ({"model": None}, "line 2.model is missing"),
    ({"float_map": 1.5}, "line 2.float_map is 1.5"),
    ({"outcomes": {"pass": "many"}}, "line 2.outcomes.pass is 'many'"),
    ({"provenance": ["a"]}, "line 2.provenance is not a mapping"),
])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, changes: Dict[str, Any], message: str) -> None:
    path = tmp_path / "history.jsonl"
    history.append(path, _entry())
    line = json.loads(path.read_text())
    with open(str(path), "a") as file:
        file.write(json.dumps({**line, **changes}) + "\n")

    with pytest.raises(ConfigurationError, match=message):
        history.read(path)


def test_a_history_is_kept_without_tensorflow() -> None:
    assert _start("sys.exit('tensorflow' in sys.modules)", os.devnull).wait(timeout=60) == 0


def test_a_history_with_a_byte_order_mark_keeps_its_first_line(tmp_path: Path) -> None:
    line = {"schema_version": 1, "time": "2019-10-15T12:00:00Z", "model": "m", "images": 40.0, "shards": "0-3",
            "float_map": 0.5, "quantized_map": "0.49", "drop": 0.01, "outcomes": {"pass": 3}, "provenance": {}}
    (tmp_path / "history.jsonl").write_bytes(f"\ufeff{json.dumps(line)}\r\n".encode())

    assert [(found.images, found.quantized_map) for found in history.read(tmp_path / "history.jsonl")] == [(40, 0.49)]


def test_a_device_is_remembered_and_changes_nothing_where_it_comes_or_goes(tmp_path: Path) -> None:
    path, same = tmp_path / "history.jsonl", _document()["provenance"]
    device = {"metrics": {"device": {"figures": {"mAP": 0.58}}}, "mAP_drop": 0.0077}
    kinds = [None, "tflite", "openvino-int8"]
    documents = [_document(device=device if kind else None,
                           provenance={**same, **({"device": {"kind": kind}} if kind else {})}) for kind in kinds]

    for document in documents:
        found = history.remember(path, document)["history"]

    assert [run["device_mAP"] for run in found] == [None, 0.58, 0.58]
    assert [run["device_drop"] for run in found] == [None, 0.0077, 0.0077]
    assert [run["changed"] for run in found] == [[], [], ["device.kind"]]


def test_a_line_from_before_there_were_devices_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history.append(path, _entry())
    old = json.loads(path.read_text())
    del old["device_map"], old["device_drop"]
    path.write_text(json.dumps(old) + "\n")

    line, = history.read(path)

    assert (line.float_map, line.device_map, line.device_drop) == (0.6, None, None)
