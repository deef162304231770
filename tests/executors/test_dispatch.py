"""Which shards are run again, and when a run is given up."""

import time
from pathlib import Path
from typing import List, Optional, Sequence

import pytest

from quant_accuracy.base.errors import WorkerError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.executors import dispatch
from quant_accuracy.executors.contract import Retry, Workload
from quant_accuracy.executors.dispatch import Done, Event, Lost, Pool, Ready
from quant_accuracy.executors.worker import ShardResult

_RUNS = [Run(FLOAT), Run(QUANTIZED)]


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
