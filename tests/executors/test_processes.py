"""Executors: the same detections whoever runs the shards, and what becomes of workers that die, hang, are stopped."""

import json
import multiprocessing
import os
import re
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, DataError, WorkerError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import annotations
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.executors import dispatch
from quant_accuracy.executors.contract import Retry, Workload
from quant_accuracy.executors.dispatch import Done, Event, Lost, Pool, Ready
from quant_accuracy.executors.worker import ShardResult
from quant_accuracy.pipeline import inference
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.settings import executor
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES, RAY, Values
from quant_accuracy.settings.request import Request
from tests.support import processes, suite

_RUNS = [Run(FLOAT), Run(QUANTIZED)]
_IMAGES = 10
# Far more than a shard of these takes on a busy machine.
_PATIENCE = 10.0


@pytest.fixture(scope="module")
def make_prepared(demo: DataPaths, demo_artifacts: Artifacts, demo_card: ModelCard) -> Callable[..., Prepared]:
    """Prepares an evaluation of the first shards, a few images of each, with a cache that has no detections yet."""

    def make(folder: Path, chosen: Choice, count: int = 3, data: DataPaths = demo) -> Prepared:
        found = shard_files.find_shards(data.dataset_dir, data.pattern)[:count]
        cut = [replace(shard, records=_IMAGES) for shard in found]
        digests = {shard.index: files.digest_file(shard.path) for shard in cut}
        return Prepared(Request(demo_card, data, 1, executor=chosen), demo_artifacts, cut, digests, found,
                        annotations.load(demo.annotations), Cache(folder / "cache"))

    return make


def _digests(prepared: Prepared) -> Dict[str, str]:
    """The content of every file of detections, by its name."""
    return {path.name: files.digest_file(path) for path in prepared.cache.root.glob("detections/*/*.npz")}


def _children() -> List[int]:
    return [int(child.pid or 0) for child in multiprocessing.active_children()]


def _meanwhile(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _when_a_shard_is_done(prepared: Prepared, then: Callable[[], None]) -> Callable[[], None]:
    """Does something when the first shard is finished and the next one is under way."""

    def wait() -> None:
        while len(_digests(prepared)) < len(_RUNS):
            time.sleep(0.01)
        time.sleep(0.1)
        then()

    return wait


@pytest.fixture(scope="module")
def alone(make_prepared: Callable[..., Prepared], tmp_path_factory: pytest.TempPathFactory) -> Dict[str, str]:
    """The detections of this process."""
    prepared = make_prepared(tmp_path_factory.mktemp("alone"), Choice())
    inference.detect(prepared, _RUNS)
    return _digests(prepared)


def test_processes_give_the_detections_of_this_process_to_the_last_bit(
        make_prepared: Callable[..., Prepared], alone: Dict[str, str], tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, Choice(PROCESSES, jobs=2))

    found = inference.detect(prepared, _RUNS)

    assert _digests(prepared) == alone
    assert len(alone) == 6
    assert [speed and speed.images for speed in (found[run].speed for run in _RUNS)] == [30, 30]
    assert not prepared.retried
    assert not _children()


def test_processes_scale_the_input_and_switch_quantizers_as_this_process_does(
        make_prepared: Callable[..., Prepared], demo_artifacts: Artifacts, tmp_path: Path) -> None:
    off = next(quantizer.tensor for quantizer in demo_artifacts.quantizers if quantizer.enabled)
    runs = [Run(FLOAT, scale=1.001), Run(QUANTIZED, disabled=(off,))]
    evaluations = [make_prepared(tmp_path / chosen.name, chosen, count=1)
                   for chosen in (Choice(), Choice(PROCESSES, jobs=1))]

    for prepared in evaluations:
        inference.detect(prepared, runs)

    assert len(_digests(evaluations[0])) == 2
    assert _digests(evaluations[0]) == _digests(evaluations[1])


def test_the_shard_of_a_worker_that_runs_out_of_memory_is_run_again_by_another(
        make_prepared: Callable[..., Prepared], alone: Dict[str, str], tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, Choice(PROCESSES, jobs=1))
    limits = []

    def take_the_memory() -> None:
        # What it has it may keep, and not a page more.
        limits.append(resource.prlimit(_children()[0], resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY)))

    _meanwhile(_when_a_shard_is_done(prepared, take_the_memory))

    inference.detect(prepared, _RUNS)

    assert len(limits) == 1
    (retry,) = prepared.retried
    assert re.search("memory|OOM|thread", retry.reason), retry
    assert _digests(prepared) == alone
    assert not _children()


@pytest.mark.soak
def test_the_shard_of_a_worker_that_hangs_is_run_again_by_another(
        make_prepared: Callable[..., Prepared], alone: Dict[str, str], tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, Choice(PROCESSES, jobs=1, shard_timeout=_PATIENCE))
    _meanwhile(_when_a_shard_is_done(prepared, lambda: os.kill(_children()[0], signal.SIGSTOP)))

    inference.detect(prepared, _RUNS)

    assert [retry.reason for retry in prepared.retried] == ["it took longer than 10 s, and its worker was killed"]
    assert _digests(prepared) == alone
    assert not _children()


def test_a_shard_that_takes_too_long_again_and_again_is_named(make_prepared: Callable[..., Prepared],
                                                              tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, Choice(PROCESSES, jobs=1, shard_timeout=0.001), count=1)

    with pytest.raises(WorkerError, match=r"shard 0 was given up after 3 attempts .* raise --shard-timeout"):
        inference.detect(prepared, _RUNS)

    assert [retry.shard for retry in prepared.retried] == [0, 0]
    assert not _children()


def test_a_damaged_shard_is_the_same_error_whoever_runs_it(make_prepared: Callable[..., Prepared], demo_copy: DataPaths,
                                                           tmp_path: Path) -> None:
    damaged = demo_copy.dataset_dir / "val.record-00001-of-00002"
    content = bytearray(damaged.read_bytes())
    content[5000] ^= 1
    damaged.write_bytes(bytes(content))
    said = []

    for chosen in (Choice(), Choice(PROCESSES, jobs=1)):
        prepared = make_prepared(tmp_path / chosen.name, chosen, count=2, data=demo_copy)
        with pytest.raises(DataError) as raised:
            inference.detect(prepared, _RUNS)
        said.append(str(raised.value))
        assert len(_digests(prepared)) == 2

    assert said[0] == said[1]
    assert str(damaged) in said[0]


def _report(folder: Path, *more: str) -> List[str]:
    cache = folder / "cache"
    if not cache.exists():
        suite.cache_without_detections(cache)
    return ["--shards", "0-3", "--cache-dir", str(cache), "--output-dir", str(folder / "output"), *more]


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
        assert "the same command goes on from there" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(("given", "message"), [
    ({"jobs": 2}, "--jobs: .* use --executor processes"),
    ({"shard_timeout": 5.0}, "--shard-timeout: --executor local cannot give a shard up"),
    ({"ray_address": "auto"}, "--ray-address: --executor local uses no cluster"),
    ({"executor": PROCESSES, "ray_address": "auto"}, "--ray-address: --executor processes uses no cluster"),
])
def test_what_an_executor_cannot_do_is_refused(given: Dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        executor.of_values(Values(given))


def test_without_ray_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "ray_installed", lambda: False)

    with pytest.raises(ConfigurationError, match=r"Ray is not installed; install it with './run ray-install'"):
        executor.of_values(Values({"executor": RAY}))


@pytest.mark.soak
def test_the_suite_runs_in_processes_and_refuses_to_under_xdist(tmp_path: Path) -> None:
    cache = suite.cache_without_detections(tmp_path / "cache")
    arguments = ["--shards", "0-1", "--cache-dir", str(cache), "--executor", "processes", "--jobs", "2"]

    refused = suite.run(tmp_path, *arguments, "-n", "2")
    done = suite.run(tmp_path, *arguments, "-k", "coverage")

    assert refused.status == 4
    assert "--executor processes is refused under xdist" in refused.said
    assert done.status == 0, done.said
    assert "40 images were run now (this process 40)" in done.said


class _FakePool(Pool):
    """Workers of which a script says what becomes of them, one word for each shard or start."""

    def __init__(self, script: Sequence[str], rooms: int = 1) -> None:
        self._script, self._rooms = list(script), rooms
        self._happened: List[Event] = []
        self._started = 0
        self.order: List[int] = []
        self.killed: List[int] = []

    def room(self) -> int:
        return self._rooms

    def start(self) -> int:
        self._started += 1
        fate = self._script.pop(0)
        self._happened.append(Ready(self._started) if fate == "ready" else Lost(self._started, fate))
        return self._started

    def give(self, worker: int, item: Work) -> None:
        fate = self._script.pop(0)
        self.order.append(item.shard.index)
        speeds = {_RUNS[0]: Speed(1, 2.0)}
        self._happened.append(Done(worker, ShardResult({}, speeds)) if fate == "done" else Lost(worker, fate))

    def events(self, timeout: Optional[float]) -> List[Event]:
        time.sleep(min(timeout or 0.0, 0.01))
        happened, self._happened = self._happened[:1], self._happened[1:]
        return happened

    def kill(self, worker: int) -> None:
        self.killed.append(worker)


def _dispatched(pool: _FakePool, count: int, shard_timeout: Optional[float] = None, busy: float = 0.0) -> List[Retry]:
    """Run so many shards in a pool; keeping the detections of one takes `busy` seconds."""
    work = [Work(shard_files.Shard(index, Path(f"shard-{index}"), 1, 1), _RUNS[:1]) for index in range(count)]
    done: List[int] = []
    retried: List[Retry] = []

    def finished(item: Work, _: object) -> None:
        time.sleep(busy)
        done.append(item.shard.index)

    workload = Workload(None, work, count, count, finished)  # type: ignore
    dispatch.run(pool, "fake", workload, shard_timeout, retried.append)
    assert sorted(done) == list(range(count))
    return retried


def test_a_lost_shard_is_run_again_before_those_that_wait() -> None:
    pool = _FakePool(["ready", "lost", "ready", "done", "done"])

    assert _dispatched(pool, 2) == [Retry(0, "fake", "lost")]
    assert pool.order == [0, 0, 1]
    assert pool.killed == [1]


def test_a_worker_that_answers_in_time_is_not_given_up_because_another_shard_is_being_kept() -> None:
    pool = _FakePool(["ready", "ready", "done", "done"], rooms=2)

    assert not _dispatched(pool, 2, shard_timeout=0.05, busy=0.1)
    assert pool.order == [0, 1]


def test_workers_that_never_start_end_the_run() -> None:
    with pytest.raises(WorkerError, match=r"3 workers in a row were lost before they were ready \(no memory\)"):
        _dispatched(_FakePool(["no memory"] * 3), 2)


def test_without_any_worker_the_run_waits_a_while_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_ROOM_SECONDS", 0.05)

    with pytest.raises(WorkerError, match="no worker is left for 2 shards"):
        _dispatched(_FakePool([], rooms=0), 2)
