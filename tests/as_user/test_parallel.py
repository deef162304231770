"""The suite under pytest-xdist: shards are shared, nothing is done twice, and the verdicts are those of one process."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import List, Set

import pytest

from quant_accuracy.settings.card import DataPaths
from tests.support import suite
from tests.support.places import ROOT

_SHARDS = ("--shards", "0-2")
_IMAGES, _FILES = 60, 6


@pytest.fixture(scope="module")
def alone(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> suite.Finished:
    """A run in one process, on all cores, that has to evaluate all images."""
    folder = tmp_path_factory.mktemp("alone")
    return suite.run(folder, *_SHARDS, "--cache-dir", str(suite.cache_without_detections(folder / "cache")))


def _images(done: suite.Finished) -> List[int]:
    """How many images each worker ran."""
    line = next(line for line in done.said.splitlines() if "images were evaluated in this run" in line)
    return [int(count) for count in re.findall(r"gw\d+ (\d+)", line)]


# Test by test or in groups: files are groups as well.
@pytest.mark.parametrize("more", [
    pytest.param(("-n", "2"), id="-n 2"),
    pytest.param(("-n", "4", "--dist", "loadgroup", "--threads", "1"), marks=pytest.mark.soak,
                 id="loadgroup, more workers than shards, one thread each"),
])
def test_workers_share_the_shards_and_the_verdicts_are_those_of_one_process_on_all_cores(
        alone: suite.Finished, tmp_path: Path, more: List[str]) -> None:
    cache = suite.cache_without_detections(tmp_path / "cache")

    done = suite.run(tmp_path, *_SHARDS, *more, "--cache-dir", str(cache))

    assert done.status == 0, done.said
    assert done.outcomes == alone.outcomes
    assert done.numbers == alone.numbers
    assert sum(_images(done)) == _IMAGES
    assert sum(count > 0 for count in _images(done)) > 1
    assert len(list(cache.glob("detections/*/*.npz"))) == _FILES


def _children(process: int) -> Set[int]:
    found = Path(f"/proc/{process}/task/{process}/children")
    return {int(child) for child in found.read_text().split()}


def test_the_shards_of_a_killed_worker_are_finished_by_the_others(alone: suite.Finished, tmp_path: Path) -> None:
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        pytest.skip("this system does not tell the children of a process")
    cache = suite.cache_without_detections(tmp_path / "cache")
    junit = tmp_path / "junit.xml"
    process = subprocess.Popen(suite.command(junit, *_SHARDS, "-n", "2", "--cache-dir", str(cache)),
                               cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               universal_newlines=True, env=suite.environment())
    while process.poll() is None and not list(cache.glob("detections/quantized/*.npz")):
        time.sleep(0.01)

    os.kill(min(_children(process.pid)), signal.SIGKILL)
    said = process.communicate(timeout=300)[0]
    done = suite.read(process.returncode, said, junit)

    assert "a worker died while it ran" in done.said, done.said
    assert done.status == 0, done.said
    assert done.outcomes == alone.outcomes
    assert done.numbers == alone.numbers
    assert len(list(cache.glob("detections/*/*.npz"))) == _FILES
    assert not list(cache.rglob("*.partial"))
