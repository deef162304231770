"""Several processes on this machine, the cores divided among them, each with sessions of its own that stay open."""

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import OutOfMemoryError, QuantAccuracyError, first_line, unexpected
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.executors import dispatch, interrupts, worker
from quant_accuracy.executors.contract import Executor, Retry, Workload
from quant_accuracy.executors.dispatch import Done, Event, Failed, Lost, Pool, Ready
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.settings.options import PROCESSES


class ProcessExecutor(Executor):
    """Runs shards in processes that are started anew, not forked: a fork of TensorFlow's threads hangs.

    Args:
        jobs: How many processes; None takes one for each core.
        threads: Cores for all of them together; None takes all.
        shard_timeout: Seconds after which a process is taken to hang; None waits for ever.
    """

    def __init__(self, jobs: Optional[int], threads: Optional[int], shard_timeout: Optional[float]) -> None:
        with concurrency.limited_to(threads):
            cores = concurrency.cores()
        self._jobs = jobs or cores
        self._threads, self._shard_timeout = max(1, cores // self._jobs), shard_timeout

    def detect(self, workload: Workload, retried: Callable[[Retry], None]) -> Dict[Run, Speed]:
        """Run every shard in one of the processes."""
        with contextlib.closing(_Processes(workload.assignment, self._jobs, self._threads)) as pool:
            return dispatch.run(pool, PROCESSES, workload, self._shard_timeout, retried)


_OFTEN = {signal.SIGKILL: ", which is also how Linux ends one that takes too much memory",
          signal.SIGABRT: ", which is also how TensorFlow ends when it gets no memory"}


class _Worker(NamedTuple):
    process: Any
    connection: Connection


class _Processes(Pool):
    def __init__(self, assignment: Assignment, jobs: int, threads: int) -> None:
        self._assignment, self._jobs, self._threads = assignment, jobs, threads
        self._context = multiprocessing.get_context("spawn")
        self._workers: Dict[int, _Worker] = {}
        self._started = 0

    def room(self) -> int:
        return self._jobs

    def start(self) -> int:
        ours, theirs = self._context.Pipe()
        with contextlib.closing(theirs), interrupts.unheard():
            process = self._context.Process(target=_serve, args=(theirs, self._threads), daemon=True)
            process.start()
        self._started += 1
        self._workers[self._started] = _Worker(process, ours)
        # It waits until the other side reads, which that does when it has started.
        threading.Thread(target=_send, args=(ours, self._assignment), daemon=True).start()
        return self._started

    def give(self, worker: int, item: Work) -> None:
        # A dead one is heard of as lost.
        with contextlib.suppress(OSError):
            self._workers[worker].connection.send(item)

    def events(self, timeout: Optional[float]) -> List[Event]:
        numbers = {running.connection: number for number, running in self._workers.items()}
        return [self._receive(numbers[ready]) for ready in connections.wait(list(numbers), timeout)  # type: ignore
                if isinstance(ready, Connection)]

    def _receive(self, number: int) -> Event:
        worker = self._workers[number]
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            return Lost(number, _ending(worker.process))
        if message is None:
            return Ready(number)
        if isinstance(message, QuantAccuracyError):
            return Failed(number, message)
        return Lost(number, message) if isinstance(message, str) else Done(number, message)

    def kill(self, worker: int) -> None:
        lost = self._workers.pop(worker)
        lost.process.kill()
        lost.process.join()
        lost.connection.close()

    def close(self) -> None:
        """End all processes; they hold nothing that could be lost."""
        for running in self._workers.values():
            running.process.kill()
        for number in list(self._workers):
            self.kill(number)


def _ending(process: Any) -> str:
    """How a process ended, whose connection is closed."""
    process.join(timeout=10)
    code = process.exitcode
    if code is None or code >= 0:
        return f"its process ended with status {code}"
    killer = signal.Signals(-code)
    return f"its process was killed ({killer.name}{_OFTEN.get(killer, '')})"


def _send(connection: Connection, assignment: Assignment) -> None:
    # One that dies meanwhile is heard of as lost.
    with contextlib.suppress(OSError):
        connection.send(assignment)


def _serve(connection: Connection, threads: int) -> None:
    """What a process does: open its sessions, then run one shard after the other until it is killed."""
    inbox: "queue.Queue[Any]" = queue.Queue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    try:
        with worker.open_worker(inbox.get(), threads) as run:
            connection.send(None)
            while True:
                connection.send(run(inbox.get()))
    except (OutOfMemoryError, MemoryError, OSError, RuntimeError) as error:
        # What the machine refuses now (memory, threads, descriptors) it may grant another worker, or later.
        connection.send(f"{type(error).__name__}: {first_line(error)}")
    except Exception as error:
        connection.send(unexpected(error))
    # Not before the message is read: it would be lost.
    threading.Event().wait()


def _listen(connection: Connection, inbox: "queue.Queue[Any]") -> None:
    """Put what comes into the inbox; end this process when the one that started it is gone, whatever it is doing."""
    while True:
        try:
            inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
