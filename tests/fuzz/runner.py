"""Runs cases in processes of their own, so that what hangs, crashes or eats memory ends that process and no other."""

import contextlib
import multiprocessing
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

SECONDS = 10.0
MEGABYTES = 1024.0
CORRECT, REFUSED = "correct", "refused"
# To load TensorFlow and to make what will be damaged.
_START_SECONDS = 180.0

Case = Tuple[str, int]


@dataclass
class Outcome:
    """What became of some cases.

    Attributes:
        counts: Number of cases by kind and by end.
        failures: What went wrong, by kind and number of the case.
        slowest: Seconds of the slowest case of each kind.
        largest: Most megabytes that a case of each kind added.
    """

    counts: Dict[str, Counter] = field(default_factory=dict)
    failures: Dict[Case, str] = field(default_factory=dict)
    slowest: Dict[str, float] = field(default_factory=dict)
    largest: Dict[str, float] = field(default_factory=dict)

    def add(self, case: Case, end: str, seconds: float, megabytes: float) -> None:
        """Note how a case ended."""
        kind = case[0]
        if seconds > SECONDS:
            end = f"took {seconds:.1f} s"
        elif megabytes > MEGABYTES:
            end = f"took {megabytes:.0f} MB"
        good = end in (CORRECT, REFUSED)
        self.counts.setdefault(kind, Counter())[end if good else "failed"] += 1
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), seconds)
        self.largest[kind] = max(self.largest.get(kind, 0.0), megabytes)
        if not good:
            self.failures[case] = end


def run(cases: Sequence[Case], seed: int, workers: int = 1) -> Outcome:
    """Run cases; a case is the same whenever its kind, its number and the seed are."""
    outcome, waiting = Outcome(), list(reversed(cases))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzz.")))
        crew = [_Worker(seed, folder / str(number)) for number in range(workers)]
        for worker in crew:
            stack.callback(worker.end)
        while waiting or any(worker.case for worker in crew):
            for worker in crew:
                worker.check(outcome)
                if worker.case is None and waiting:
                    worker.give(waiting.pop())
            multiprocessing.connection.wait([worker.connection for worker in crew], 0.05)
    return outcome


class _Worker:
    """A process that runs one case after the other, and is started again when one has ended it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        self.case: Optional[Case] = None
        self._start()

    def _start(self) -> None:
        # A forked TensorFlow does not work.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._seed, str(self._folder)), daemon=True)
        self._process.start()
        theirs.close()
        self._limit, self._ready = time.monotonic() + _START_SECONDS, False

    def give(self, case: Case) -> None:
        """Start with a case."""
        self.case = case
        self.connection.send(case)
        if self._ready:
            self._limit = time.monotonic() + SECONDS

    def check(self, outcome: Outcome) -> None:
        """Note what the process has sent, and end it when its case takes too much."""
        try:
            while self.connection.poll():
                answer = self.connection.recv()
                if answer is None:
                    self._ready, self._limit = True, time.monotonic() + SECONDS
                else:
                    outcome.add(*answer)
                    self.case = None
        except (EOFError, ConnectionError):
            self._process.join()
            self._lost(outcome, f"the process ended with {self._process.exitcode}")
            return
        if self.case is None:
            return
        if time.monotonic() > self._limit:
            self._lost(outcome, f"hangs for {SECONDS:g} s")
        elif memory(self._process.pid, "VmRSS") > 4 * MEGABYTES:
            self._lost(outcome, f"takes more than {4 * MEGABYTES:g} MB")

    def _lost(self, outcome: Outcome, reason: str) -> None:
        self.end()
        if self.case is None or not self._ready:
            raise RuntimeError(f"a process that runs cases did not start: {reason}")
        outcome.add(self.case, reason, 0.0, 0.0)
        self.case = None
        self._start()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def memory(process: object, key: str) -> float:
    """Megabytes of a process: `VmRSS` now, `VmHWM` at most; 0 for one that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return 0.0


def _serve(connection: Connection, seed: int, folder: str) -> None:
    # TensorFlow takes seconds to import, and only here.
    from tests.fuzz import kinds
    from tests.fuzz.kind import Kind

    made: Mapping[str, Kind] = {}
    place = Path(folder)
    place.mkdir(exist_ok=True)
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        if not made:
            made = kinds.make(place)
            connection.send(None)
        connection.send(_run(made[case[0]], case, seed, place))


def _run(kind: Any, case: Case, seed: int, folder: Path) -> Tuple[Case, str, float, float]:
    from quant_accuracy.base.errors import QuantAccuracyError

    random = Random(f"{seed} {case[0]} {case[1]}")
    path = kind.place(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kind.damage(random))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before, start = memory("self", "VmRSS"), time.perf_counter()
    try:
        kind.use(path)
        end = CORRECT
    except QuantAccuracyError as error:
        end = REFUSED if _clear(str(error)) else f"an error that nobody can read: {str(error)[:500]!r}"
    except (Exception, RecursionError):
        end = traceback.format_exc(limit=-6)
    return case, end, time.perf_counter() - start, memory("self", "VmHWM") - before


def _clear(message: str) -> bool:
    """Whether people can read a message: it has words for what to do, and an end."""
    return len(message) < 2000 and (";" in message or "," in message) and bool(message.encode("utf-8", "replace"))


def cases(kinds: Sequence[str], count: int, first: int = 0) -> List[Case]:
    """So many cases of each kind."""
    return [(kind, number) for number in range(first, first + count) for kind in kinds]


def table(outcome: Outcome) -> Iterator[str]:
    """The outcome as a Markdown table."""
    yield "| kind | cases | refused | correct | failed | slowest | most memory |"
    yield "|--|--|--|--|--|--|--|"
    for kind, counts in sorted(outcome.counts.items()):
        yield (f"| {kind} | {sum(counts.values())} | {counts[REFUSED]} | {counts[CORRECT]} | {counts['failed']} | "
               f"{outcome.slowest[kind]:.2f} s | {outcome.largest[kind]:.0f} MB |")
