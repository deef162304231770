"""A Ray cluster: one long-lived actor for each slot, on machines that need share nothing but this project's code.

What actors have to know, and shards that they cannot see, travel through Ray's object store, and so do detections.
"""

import contextlib
import itertools
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

import numpy as np
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from quant_accuracy.base import concurrency, files, invocation
from quant_accuracy.base.errors import ConfigurationError, DataError, QuantAccuracyError, WorkerError, first_line
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.executors import actor, dispatch, interrupts
from quant_accuracy.executors.actor import Location, ShardActor, Unseen
from quant_accuracy.executors.contract import Executor, Retry, Workload
from quant_accuracy.executors.dispatch import Done, Event, Failed, Lost, Pool, Ready
from quant_accuracy.executors.worker import Assignment, ShardResult
from quant_accuracy.settings.executor import RAY_LOCAL
from quant_accuracy.settings.options import RAY

# A cluster of this process alone holds no more than what the actors have to know, and a few detections.
_OWN_STORE = 256 << 20
_POLL_SECONDS = 1.0
_KILL_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


class RayExecutor(Executor):
    """Runs shards in actors of a Ray cluster.

    Args:
        address: The cluster: `auto`, `HOST:PORT`, or `local` for one that lives as long as the evaluation.
        jobs: How many actors; None takes one for each core.
        threads: Cores for all of them together; None takes all of the cluster.
        shard_timeout: Seconds after which an actor is taken to hang; None waits for ever.
    """

    def __init__(self, address: str, jobs: Optional[int], threads: Optional[int],
                 shard_timeout: Optional[float]) -> None:
        self._address, self._jobs, self._threads = address, jobs, threads
        self._shard_timeout = shard_timeout

    def detect(self, workload: Workload, retried: Callable[[Retry], None]) -> Dict[Run, Speed]:
        """Run every shard in one of the actors."""
        if workload.assignment.simulator_folder is not None:
            raise ConfigurationError(f"--executor ray: the simulation of {workload.assignment.simulator} cannot travel "
                                     "to other machines; use --simulate builtin, or --executor processes")
        with connected(self._address, self._threads):
            cores = self._threads or int(ray.cluster_resources().get("CPU", 1))
            jobs = self._jobs or cores
            with contextlib.closing(_Actors(workload.assignment, jobs, max(1, cores // jobs))) as pool:
                return dispatch.run(pool, RAY, workload, self._shard_timeout, retried)


@contextlib.contextmanager
def connected(address: str, threads: Optional[int]) -> Iterator[None]:
    """Be a driver of the cluster inside the block.

    Raises:
        ConfigurationError: There is no cluster there.
    """
    settings: Dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == RAY_LOCAL:
        with concurrency.limited_to(threads):
            settings.update(num_cpus=concurrency.cores(), include_dashboard=False, object_store_memory=_OWN_STORE)
    # Ray tells its makers how it is used, unless one says no.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _check_answer(address)
        with interrupts.termination_kept():
            ray.init(**settings)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        ray.shutdown()
        raise ConfigurationError(f"--ray-address {address}: no cluster that can be used ({first_line(error)}); "
                                 f"{_remedy(address, error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _remedy(address: str, error: Exception) -> str:
    """What to do where Ray does not connect, or does not start."""
    if address == RAY_LOCAL:
        return "look at the memory and the shared memory (/dev/shm) of this machine, or use --executor processes"
    if "ersion" in str(error):
        return f"bring all machines to one version with `{invocation.INSTALL_RAY}`, or use --ray-address local"
    return f"start this machine's node with `{invocation.RAY_START}`, correct the address, or use --ray-address local"


def _check_answer(address: str) -> None:
    """Raise an OSError when nobody listens at an address, which Ray would wait for without end."""
    host, _, port = address.partition(":")
    if port:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()


class _Call(NamedTuple):
    """What an actor was asked, and by whom it is answered."""

    worker: int
    item: Optional[Work]


class _Actors(Pool):
    def __init__(self, assignment: Assignment, jobs: int, threads: int) -> None:
        self._jobs, self._threads, self._digests = jobs, threads, assignment.digests
        self._assignment = ray.put(assignment)
        self._code = actor.code()
        self._home = ray.get_runtime_context().get_node_id()
        self._actors: Dict[int, Any] = {}
        self._locations: Dict[int, Location] = {}
        self._calls: Dict[Any, _Call] = {}
        self._killers: List[Any] = []
        self._numbers = itertools.count()

    def room(self) -> int:
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        if self._home not in alive:
            # Ray would go on waiting for it.
            raise WorkerError("--executor ray: this machine's own node of the cluster is gone; start it again with "
                              f"`{invocation.RAY_START}`; finished shards are kept, the same command goes on from "
                              "there")
        return min(self._jobs, sum(int(resources.get("CPU", 0)) // self._threads for resources in alive.values()))

    def start(self) -> int:
        number = next(self._numbers)
        self._actors[number] = started = ray.remote(ShardActor).options(num_cpus=self._threads).remote()
        self._calls[started.open.remote(self._assignment, self._threads, self._code)] = _Call(number, None)
        return number

    def give(self, worker: int, item: Work) -> None:
        # Links stay as they are: they may lead elsewhere on another machine, to the same content.
        shard = replace(item.shard, path=Path(os.path.abspath(str(item.shard.path))))
        absolute = Work(shard, item.runs)
        self._calls[self._actors[worker].detect.remote(absolute, self._digests[shard.index], None)] = \
            _Call(worker, absolute)

    def events(self, timeout: Optional[float]) -> List[Event]:
        if not self._calls:
            time.sleep(min(timeout or _POLL_SECONDS, _POLL_SECONDS))
            return []
        # Nodes come and go without a word.
        wait = _POLL_SECONDS if timeout is None else min(timeout, _POLL_SECONDS)
        answered, _ = ray.wait(list(self._calls), num_returns=1, timeout=wait)
        return [event for event in (self._event(answer) for answer in answered) if event is not None]

    def _event(self, answer: Any) -> Optional[Event]:
        worker, item = self._calls.pop(answer)
        try:
            value = ray.get(answer)
        except RayError as error:
            return Lost(worker, self._ending(worker, error))
        if isinstance(value, QuantAccuracyError):
            return Failed(worker, value)
        if isinstance(value, Location):
            self._locations[worker] = value
            return Ready(worker)
        if isinstance(value, ShardResult):
            return Done(worker, value)
        assert isinstance(value, Unseen)
        assert item is not None
        digest = self._digests[item.shard.index]
        self._calls[self._actors[worker].detect.remote(item, digest, ray.put(_content(item, digest)))] = \
            _Call(worker, item)
        return None

    def _ending(self, worker: int, error: RayError) -> str:
        location = self._locations.pop(worker, None)
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if "dead because" in line), first_line(error))
        where = "" if location is None else f" on {location.address}, node {location.node[:8]},"
        return f"its actor{where} was lost ({reason})"

    def kill(self, worker: int) -> None:
        location, lost = self._locations.pop(worker, None), self._actors.pop(worker)
        self._calls = {answer: call for answer, call in self._calls.items() if call.worker != worker}
        if location is not None:
            # One that hangs does not hear Ray.
            there = NodeAffinitySchedulingStrategy(location.node, soft=False)
            self._killers.append(ray.remote(actor.kill).options(num_cpus=0, scheduling_strategy=there)
                                 .remote(location.process))
        ray.kill(lost)

    def close(self) -> None:
        """End all actors; they hold nothing that could be lost."""
        for lost in self._actors.values():
            ray.kill(lost)
        if self._killers:
            ray.wait(self._killers, num_returns=len(self._killers), timeout=_KILL_SECONDS)


def _content(item: Work, digest: str) -> np.ndarray:
    """A shard's bytes, for a machine that does not see it."""
    path = item.shard.path
    with files.storage_errors(path):
        content = path.read_bytes()
    if files.digest_bytes(content) != digest:
        raise DataError(f"{path}: changed while shards were run; start again")
    return np.frombuffer(content, np.uint8)
