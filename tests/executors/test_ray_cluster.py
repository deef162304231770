"""A Ray cluster as executor: real nodes as groups of processes on loopback, some of them killed."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import executor, options
from quant_accuracy.settings.card import DataPaths
from tests.support import clusters, processes, suite
from tests.support.clusters import Cluster

pytestmark = [pytest.mark.one_lane,
              pytest.mark.skipif(not executor.ray_installed(), reason="Ray is not installed: './run ray-install'"),
              pytest.mark.skipif(" " in sys.executable, reason="Ray does not start from a path with spaces")]

_SELECTION = "0-3"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with clusters.running(nodes=2) as running:
        yield running


def _arguments(folder: Path, data: DataPaths, *more: str) -> List[str]:
    """A report whose shards are named by a path that only a process in `folder` can follow."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "cache").exists():
        suite.cache_without_detections(folder / "cache")
        (folder / "data").symlink_to(data.dataset_dir)
    return ["--model", options.DEMO_CARD, "--model-checkpoint", str(data.checkpoint),
            "--dataset-dir", "/proc/self/cwd/data", "--TFRecord-file-pattern", data.pattern,
            "--annotation-json-file", str(data.annotations), "--cache-dir", str(folder / "cache"),
            "--output-dir", str(folder / "output"), *more]


def _document(folder: Path) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads((folder / "output" / "report.json").read_text())
    return document


def _without_run(folder: Path) -> Dict[str, Any]:
    document = _document(folder)
    del document["run"]
    return document


@pytest.fixture(scope="module")
def alone(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report that one process made alone."""
    folder = tmp_path_factory.mktemp("alone")
    process = processes.start_report(_arguments(folder, demo, "--shards", _SELECTION), cwd=folder)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 0, err
    return folder


def _detections(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "cache").glob("detections/*/*.npz")}


def test_nodes_that_see_no_shard_give_the_same_report_to_the_last_bit(alone: Path, demo: DataPaths, cluster: Cluster,
                                                                      tmp_path: Path) -> None:
    process = processes.start_report(_arguments(tmp_path, demo, "--shards", _SELECTION, "--executor", "ray",
                                                "--ray-address", cluster.address), cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache")
    actors = cluster.actors()
    seen = [Path(f"/proc/{actor}/cwd/data").exists() for actor in actors.values()]
    err = process.communicate(timeout=300)[1]

    assert process.returncode == 0, err
    assert seen == [False, False]
    assert _detections(tmp_path) == _detections(alone)
    assert _without_run(tmp_path) == _without_run(alone)
    assert _document(tmp_path)["run"]["retried"] == []
    assert processes.gone(list(actors.values()), 10.0)


def test_a_node_that_is_killed_midway_changes_no_figure_and_the_report_says_what_was_run_again(
        alone: Path, demo: DataPaths, cluster: Cluster, tmp_path: Path) -> None:
    process = processes.start_report(_arguments(tmp_path, demo, "--shards", _SELECTION, "--executor", "ray",
                                                "--ray-address", cluster.address), cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache")

    cluster.kill(cluster.nodes[-1])
    out, err = process.communicate(timeout=300)

    print(out, err)
    assert process.returncode == 0, err
    (retry,) = _document(tmp_path)["run"]["retried"]
    assert retry["executor"] == "ray"
    assert "was lost" in retry["reason"]
    assert f"shard {retry['shard']} was run again" in out
    assert _detections(tmp_path) == _detections(alone)
    assert _without_run(tmp_path) == _without_run(alone)


@pytest.mark.soak
def test_a_cluster_of_its_own_gives_the_same_and_ends_with_the_report(alone: Path, demo: DataPaths,
                                                                      tmp_path: Path) -> None:
    process = processes.start_report(_arguments(tmp_path, demo, "--shards", _SELECTION, "--executor", "ray"),
                                     cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache")
    family = processes.descendants(process.pid)
    err = process.communicate(timeout=300)[1]

    assert process.returncode == 0, err
    assert len(family) > 3
    assert processes.gone(family, 20.0)
    assert _detections(tmp_path) == _detections(alone)


def test_where_no_cluster_answers_one_line_says_what_to_start() -> None:
    from quant_accuracy.executors import ray_cluster

    # Nobody listens at the port of no service.
    with pytest.raises(ConfigurationError, match=r"--ray-address 127.0.0.2:1: no cluster .* `.*ray start`"), \
            ray_cluster.connected("127.0.0.2:1", None):
        raise AssertionError("there is one")


@pytest.mark.soak
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("where", ["local", "cluster"])
def test_a_run_that_is_stopped_leaves_no_actor(demo: DataPaths, cluster: Cluster, tmp_path: Path, where: str,
                                               number: str) -> None:
    if not [node for node in cluster.nodes if node.poll() is None]:
        cluster.add_node()
    address = cluster.address if where == "cluster" else where
    process = processes.start_report(_arguments(tmp_path, demo, "--executor", "ray", "--ray-address", address),
                                     cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache")
    family = processes.descendants(process.pid)
    actors = [*(child for child in family if b"ray::" in processes.command_line(child)), *cluster.actors().values()]
    began = time.monotonic()

    os.kill(process.pid, getattr(signal, number))
    err = process.communicate(timeout=60)[1]

    assert actors
    assert processes.gone(actors, 20.0)
    assert time.monotonic() - began < 20
    # What Ray has beside its actors looks for its parent from time to time.
    assert processes.gone(family, 120.0)
    assert process.returncode == {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[number]
    assert number == "SIGKILL" or "shards finished" in err


@pytest.mark.soak
def test_an_actor_that_hangs_is_killed_and_its_shard_run_again(alone: Path, demo: DataPaths, cluster: Cluster,
                                                               tmp_path: Path) -> None:
    if not [node for node in cluster.nodes if node.poll() is None]:
        cluster.add_node()
    process = processes.start_report(_arguments(tmp_path, demo, "--shards", _SELECTION, "--executor", "ray",
                                                "--ray-address", cluster.address, "--shard-timeout", "10"),
                                     cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache")
    hanging = next(iter(cluster.actors().values()))

    os.kill(hanging, signal.SIGSTOP)
    err = process.communicate(timeout=300)[1]

    assert process.returncode == 0, err
    assert [retry["reason"] for retry in _document(tmp_path)["run"]["retried"]] == [
        "it took longer than 10 s, and its worker was killed"]
    assert processes.gone([hanging], 10.0)
    assert _detections(tmp_path) == _detections(alone)


@pytest.mark.soak
@pytest.mark.parametrize("moment", range(5))
def test_the_whole_demo_survives_nodes_that_are_killed_and_come_back(demo: DataPaths, cluster: Cluster, tmp_path: Path,
                                                                     moment: int) -> None:
    while len([node for node in cluster.nodes if node.poll() is None]) < 2:
        cluster.add_node()
    process = processes.start_report(_arguments(tmp_path, demo, "--executor", "ray", "--ray-address", cluster.address),
                                     cwd=tmp_path)
    processes.wait_for_shards(process, tmp_path / "cache", files=2 + 3 * moment)

    cluster.kill(next(node for node in cluster.nodes if node.poll() is None))
    cluster.add_node()
    err = process.communicate(timeout=300)[1]

    assert process.returncode == 0, err
    assert len(_detections(tmp_path)) == 20
    assert _document(tmp_path)["images"] == 200
    assert len(_document(tmp_path)["run"]["retried"]) <= 1
