"""Shards to workers that may die or hang: each worker has one shard at a time, and what a lost one was at is run again.

What a worker is (a process, an actor on another machine) is the pool's affair.
"""

import abc
import collections
import time
from typing import Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from quant_accuracy.base import progress
from quant_accuracy.base.errors import QuantAccuracyError, WorkerError
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.executors import contract
from quant_accuracy.executors.contract import Retry, Workload
from quant_accuracy.executors.worker import ShardResult

ATTEMPTS = 3
# Importing TensorFlow and opening sessions takes seconds, on a busy machine many of them.
_START_SECONDS = 300.0
# A node that was restarted is back by then.
_ROOM_SECONDS = 60.0
_ROOM_POLL_SECONDS = 1.0


class Ready(NamedTuple):
    """A worker can take its first shard."""

    worker: int


class Done(NamedTuple):
    """A worker has finished its shard."""

    worker: int
    found: ShardResult


class Failed(NamedTuple):
    """Something cannot be measured, whoever tries: a damaged shard, another version of the code."""

    worker: int
    error: QuantAccuracyError


class Lost(NamedTuple):
    """A worker is gone, or as good as gone."""

    worker: int
    reason: str


Event = Union[Ready, Done, Failed, Lost]


class Pool(abc.ABC):
    """Workers, by number. A context manager that leaves none behind."""

    @abc.abstractmethod
    def room(self) -> int:
        """How many workers there can be now."""

    @abc.abstractmethod
    def start(self) -> int:
        """Start a worker; it will be ready or lost."""

    @abc.abstractmethod
    def give(self, worker: int, item: Work) -> None:
        """Give a shard to a worker that is ready and has none; it will be done, failed or lost."""

    @abc.abstractmethod
    def events(self, timeout: Optional[float]) -> List[Event]:
        """What happened, as soon as something has; nothing after so many seconds."""

    @abc.abstractmethod
    def kill(self, worker: int) -> None:
        """End a worker for certain, whatever it is doing; nothing more is heard of it."""


class _UnderWay(NamedTuple):
    item: Work
    since: float


def run(pool: Pool, name: str, workload: Workload, shard_timeout: Optional[float],
        retried: Callable[[Retry], None]) -> Dict[Run, Speed]:
    """Run every shard of a workload in a pool; otherwise as `Executor.detect`.

    Args:
        pool: The workers.
        name: The executor, for messages.
        workload: The shards and what to do with them.
        shard_timeout: Seconds after which a worker that is at one shard is taken to hang; None waits for ever.
        retried: Called for each shard that has to be run again.
    """
    dispatcher = _Dispatcher(pool, name, workload, shard_timeout, retried)
    with progress.counter(total=workload.images, unit="images", label="detecting") as counter:
        for item, found in dispatcher.results():
            workload.finished(item, found.detections)
            counter.update(item.shard.records)
    return dispatcher.speeds()


class _Dispatcher:
    def __init__(self, pool: Pool, name: str, workload: Workload, shard_timeout: Optional[float],
                 retried: Callable[[Retry], None]) -> None:
        self._pool, self._name, self._timeout, self._retried = pool, name, shard_timeout, retried
        self._fresh: Iterator[Work] = iter(workload.work)
        self._left = workload.shards
        self._again: Deque[Work] = collections.deque()
        self._reasons: Dict[int, List[str]] = {}
        self._starting: Dict[int, float] = {}
        self._idle: Set[int] = set()
        self._under_way: Dict[int, _UnderWay] = {}
        self._failed_starts: List[str] = []
        self._without_room: Optional[float] = None
        self._workers = 1
        self._parts: List[Dict[Run, Speed]] = []

    def results(self) -> Iterator[Tuple[Work, ShardResult]]:
        """Each shard with what was found, in the order in which they end."""
        while True:
            self._staff()
            self._give()
            if not self._left:
                return
            events = self._pool.events(self._patience())
            for event in events:
                if isinstance(event, Done):
                    item = self._under_way.pop(event.worker).item
                    self._idle.add(event.worker)
                    self._left -= 1
                    self._parts.append(dict(event.found.speeds))
                    yield item, event.found
                elif isinstance(event, Ready):
                    del self._starting[event.worker]
                    self._idle.add(event.worker)
                    self._failed_starts.clear()
                elif isinstance(event, Failed):
                    raise event.error
                else:
                    self._lose(event.worker, event.reason)
            if not events:
                # Not before: one that seems late may have answered while another's shard was being kept.
                self._expire()

    def speeds(self) -> Dict[Run, Speed]:
        """How fast each run was with all workers at it, in effect."""
        return {run: Speed(speed.images, speed.seconds / self._workers)
                for run, speed in contract.joined(self._parts).items()}

    def _staff(self) -> None:
        """Have as many workers as there is room for, and no more than there are shards."""
        count = len(self._starting) + len(self._idle) + len(self._under_way)
        wanted = min(self._pool.room(), self._left)
        for _ in range(wanted - count):
            self._starting[self._pool.start()] = time.monotonic()
        self._workers = max(self._workers, wanted)
        if count or wanted or not self._left:
            self._without_room = None
            return
        self._without_room = self._without_room or time.monotonic()
        if time.monotonic() - self._without_room > _ROOM_SECONDS:
            raise WorkerError(f"executor {self._name}: no worker is left for {self._left} shards; start more, or "
                              "raise --jobs so that each needs fewer cores; finished shards are kept, the same command "
                              "resumes from there")

    def _give(self) -> None:
        while self._idle:
            item = self._next()
            if item is None:
                # Others may have finished some; those under way may come back.
                self._left = len(self._under_way)
                return
            worker = self._idle.pop()
            self._under_way[worker] = _UnderWay(item, time.monotonic())
            self._pool.give(worker, item)

    def _next(self) -> Optional[Work]:
        """What has to be run again comes first; None when nothing is left."""
        if self._again:
            return self._again.popleft()
        for item in self._fresh:
            return item
        return None

    def _patience(self) -> Optional[float]:
        """How long nothing has to be done if nothing happens."""
        ends = [started + _START_SECONDS for started in self._starting.values()]
        if self._timeout is not None:
            ends += [under_way.since + self._timeout for under_way in self._under_way.values()]
        if not ends and not self._under_way:
            return _ROOM_POLL_SECONDS
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _expire(self) -> None:
        """Give up the workers that take too long."""
        now = time.monotonic()
        late = [worker for worker, under_way in self._under_way.items()
                if self._timeout is not None and now - under_way.since >= self._timeout]
        for worker in late:
            self._lose(worker, f"{self._too_long()}, and its worker was killed")
        for worker in [worker for worker, since in self._starting.items() if now - since >= _START_SECONDS]:
            self._lose(worker, f"its worker was not ready after {_START_SECONDS:g} s")

    def _too_long(self) -> str:
        return f"it took longer than {self._timeout:g} s"

    def _lose(self, worker: int, reason: str) -> None:
        self._pool.kill(worker)
        self._idle.discard(worker)
        if self._starting.pop(worker, None) is not None:
            # While others work, one that does not start keeps nothing up.
            self._failed_starts += [reason] if not self._idle and not self._under_way else []
            if len(self._failed_starts) >= ATTEMPTS:
                raise WorkerError(f"executor {self._name}: {ATTEMPTS} workers in a row were lost before they were "
                                  f"ready ({reason}); look at their memory, or use --executor local; finished shards "
                                  "are kept")
        under_way = self._under_way.pop(worker, None)
        if under_way is None:
            return
        shard = under_way.item.shard
        reasons = self._reasons.setdefault(shard.index, [])
        reasons.append(reason)
        if len(reasons) >= ATTEMPTS:
            slow = self._timeout is not None and any(self._too_long() in said for said in reasons)
            remedy = "raise --shard-timeout or leave it out" if slow else \
                "look at the memory of the workers and use fewer --jobs, or --executor local, which says more"
            raise WorkerError(f"{shard.path}: shard {shard.index} was given up after {ATTEMPTS} attempts "
                              f"({'; '.join(dict.fromkeys(reasons))}); {remedy}; finished shards are kept, the same "
                              "command resumes from there")
        self._again.append(under_way.item)
        retry = Retry(shard.index, self._name, reason)
        self._retried(retry)
        progress.say(f"warning: {retry.line()}, attempt {len(reasons) + 1} of {ATTEMPTS}")
