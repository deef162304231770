"""Worker processes: the same detections as in this process, and what becomes of workers that die or hang."""

import multiprocessing
import os
import re
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import DataError, DefectError, WorkerError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import annotations
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection.run import Run
from quant_accuracy.executors.contract import Workload
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.pipeline import inference
from quant_accuracy.pipeline.assignment import of_artifacts
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES
from quant_accuracy.settings.request import Request

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
        make_prepared: Callable[..., Prepared], alone: Dict[str, str], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    # Every array of any size is asked of the system again, not taken from what the process has had before.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(1 << 16))
    prepared = make_prepared(tmp_path, Choice(PROCESSES, jobs=1), count=6)
    limits = []

    def take_the_memory() -> None:
        # What it has it may keep, and not a page more.
        limits.append(resource.prlimit(_children()[0], resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY)))

    _meanwhile(_when_a_shard_is_done(prepared, take_the_memory))

    inference.detect(prepared, _RUNS)

    assert len(limits) == 1
    (retry,) = prepared.retried
    # Where even an error finds no memory, the process ends.
    assert re.search("memory|OOM|thread|process ended", retry.reason), retry
    assert _digests(prepared).items() >= alone.items()
    assert len(_digests(prepared)) == 6 * len(_RUNS)
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


def test_a_crash_of_a_worker_is_one_line_and_not_tried_again(demo_artifacts: Artifacts, demo_card: ModelCard) -> None:
    told = of_artifacts(demo_artifacts, demo_card, [Run(FLOAT)], 1, {})
    workload = Workload(replace(told, graphs={FLOAT: b"no graph"}), iter([]), 1, 1, lambda *_: None)
    retried: List[Any] = []

    with pytest.raises(DefectError, match="DecodeError at .*; this is a defect of the suite and no verdict: report it"):
        ProcessExecutor(1, 1, None).detect(workload, retried.append)

    assert not retried
