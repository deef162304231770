"""What runs in an actor of Ray, maybe on a machine that shares nothing with the one that asked."""

import contextlib
import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional, Union

import numpy as np
import ray

from quant_accuracy.base import files
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import (
    ConfigurationError,
    DataError,
    GraphError,
    OutOfMemoryError,
    QuantAccuracyError,
    unexpected,
)
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.run import Work
from quant_accuracy.executors import worker
from quant_accuracy.executors.worker import Assignment, ShardResult
from quant_accuracy.graph import sessions

# What the machine refuses now (memory, threads, descriptors) it may grant another actor, or later.
_MAY_PASS = (OutOfMemoryError, MemoryError, OSError, RuntimeError)


class Location(NamedTuple):
    """Where an actor is.

    Attributes:
        node: Ray's name of its node.
        address: The node's address.
        process: Its process there.
    """

    node: str
    address: str
    process: int


class Unseen(NamedTuple):
    """There is no shard with the expected content at the path; it has to be sent."""

    path: str


class ShardActor:
    """Opens its sessions once, then runs one shard after the other. What it promises to raise, it returns."""

    def __init__(self) -> None:
        self._held = contextlib.ExitStack()
        self._run: Optional[Callable[[Work], ShardResult]] = None

    def open(self, assignment: Assignment, threads: int, wanted: str) -> Union[Location, QuantAccuracyError]:
        """Open the sessions, on so many cores, if the code here is the wanted one."""
        context = ray.get_runtime_context()
        location = Location(context.get_node_id(), ray.util.get_node_ip_address(), os.getpid())
        if code() != wanted:
            return ConfigurationError(f"the node {location.address} has another version of this project or of "
                                      "TensorFlow: figures would not be the same; bring all nodes to one version")
        try:
            self._run = self._held.enter_context(worker.open_worker(assignment, threads))
        except _MAY_PASS:
            raise
        except Exception as error:
            return unexpected(error)
        return location

    def detect(self, item: Work, digest: str,
               content: Optional[np.ndarray]) -> Union[ShardResult, Unseen, QuantAccuracyError]:
        """Run a shard: from its path where that holds the expected content, else from what was sent."""
        assert self._run is not None
        try:
            if content is None:
                return self._run(item) if _holds(item.shard.path, digest) else Unseen(str(item.shard.path))
            with _as_file(item.shard, content) as shard:
                try:
                    return self._run(Work(shard, item.runs))
                except (DataError, GraphError) as error:
                    if isinstance(error, OutOfMemoryError):
                        raise
                    return type(error)(str(error).replace(str(shard.path), str(item.shard.path)))
        except _MAY_PASS:
            raise
        except Exception as error:
            return unexpected(error)


def code() -> str:
    """The digest of everything that figures depend on but what an assignment says."""
    packages = code_digest("graph", "runtimes", "freezing", "folding", "quantization", "data", "detection",
                            "executors")
    return files.digest_value([packages, sessions.version(), np.__version__])


def kill(process: int) -> None:
    """Kill a process of the machine on which this runs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _holds(path: Path, digest: str) -> bool:
    try:
        return files.digest_file(path) == digest
    except OSError:
        return False


@contextlib.contextmanager
def _as_file(shard: Shard, content: np.ndarray) -> Iterator[Shard]:
    """The shard as a file without a name, which is gone when this process is, however it ends."""
    with tempfile.TemporaryFile() as file:
        file.write(memoryview(content))
        file.flush()
        yield replace(shard, path=Path(f"/proc/self/fd/{file.fileno()}"))
