"""Runs whose workers are killed, or that are stopped themselves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List

import pytest

from tests.support import processes, suite

pytestmark = pytest.mark.one_lane


def _report(folder: Path, *more: str) -> List[str]:
    cache = folder / "cache"
    if not cache.exists():
        suite.cache_without_detections(cache)
    return ["--shards", "0-3", "--cache-dir", str(cache), "--output-dir", str(folder / "output"), *more]


def test_the_installed_command_runs_shards_in_processes(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("quant-accuracy")

    done = subprocess.run([str(command), "report", *_report(tmp_path, "--shards", "0", "--executor", "processes",
                                                            "--jobs", "1")],
                          capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert "unexpected" not in done.stderr
    assert "again" not in done.stderr
    assert (tmp_path / "output" / "report.json").exists()


@pytest.mark.soak
def test_a_report_whose_worker_is_killed_has_the_same_figures_and_says_what_was_run_again(tmp_path: Path) -> None:
    for name in ("alone", "killed"):
        (tmp_path / name).mkdir()
    said = processes.start_report(_report(tmp_path / "alone")).communicate(timeout=300)[0]
    process = processes.start_report(_report(tmp_path / "killed", "--executor", "processes", "--jobs", "1"))
    processes.wait_for_shards(process, tmp_path / "killed" / "cache")

    os.kill(processes.workers(process.pid)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)

    assert process.returncode == 0, err
    documents = [json.loads((tmp_path / name / "output" / "report.json").read_text()) for name in ("alone", "killed")]
    (retry,) = documents[1]["run"]["retried"]
    assert retry["executor"] == "processes"
    assert "its process was killed (SIGKILL" in retry["reason"]
    assert f"shard {retry['shard']} was run again: its process was killed" in out
    assert f"warning: shard {retry['shard']} was run again" in err
    for form in ("html", "md"):
        page = (tmp_path / "killed" / "output" / f"report.{form}").read_text()
        assert "run again" in page
        assert "its process was killed (SIGKILL" in page
    for document in documents:
        del document["run"]
    assert documents[0] == documents[1], said


@pytest.mark.soak
@pytest.mark.parametrize(("stop", "status"), [("Ctrl-C", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_a_run_that_is_stopped_ends_at_once_and_leaves_no_process(tmp_path: Path, stop: str, status: int) -> None:
    process = processes.start_report(_report(tmp_path, "--executor", "processes", "--jobs", "2"))
    processes.wait_for_shards(process, tmp_path / "cache")
    workers = processes.workers(process.pid)
    began = time.monotonic()

    if stop == "Ctrl-C":
        # A terminal tells all that runs in it.
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill(process.pid, getattr(signal, stop))
    err = process.communicate(timeout=30)[1]

    assert process.returncode == status
    assert len(workers) == 2
    assert processes.gone(workers, 5.0)
    assert time.monotonic() - began < 10
    assert not list((tmp_path / "cache").rglob("*.partial"))
    if stop != "SIGKILL":
        assert "shards finished" in err
        assert "the same command resumes from there" in err
        assert "Traceback" not in err


@pytest.mark.soak
def test_the_suite_runs_in_processes_and_refuses_to_under_xdist(tmp_path: Path) -> None:
    cache = suite.cache_without_detections(tmp_path / "cache")
    arguments = ["--shards", "0-1", "--cache-dir", str(cache), "--executor", "processes", "--jobs", "2"]

    refused = suite.run(tmp_path, *arguments, "-n", "2")
    done = suite.run(tmp_path, *arguments, "-k", "coverage")

    assert refused.status == 4
    assert "--executor processes is refused under xdist" in refused.said
    assert done.status == 0, done.said
    assert "40 images were evaluated in this run (this process 40)" in done.said
