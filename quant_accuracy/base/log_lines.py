"""Progress where there is no terminal, such as in the log of CI: a line when work takes long, and then regularly.

What takes less than a second is not worth a line. Whatever is under way says within half a minute how far it is,
whether it gets on or not: people who watch a log take silence for a hang, and so do CI systems.
"""

import contextlib
import sys
import threading
import time
from typing import Callable, Iterator, List, Optional

# Before the first line of an activity, between its lines, and between two looks.
FIRST_SECONDS, EVERY_SECONDS = 1.0, 20.0
_LOOK_SECONDS = 0.25

Say = Callable[[str], None]


class Activity:
    """Something under way.

    Attributes:
        done: How much of it is done, in its unit.
        total: How much it is altogether; None where it is not counted.
        lines: How many lines have been said of it.
        within: Whether the first and the last line of something else do for it, too.
    """

    def __init__(self, label: str, say: Say, unit: str = "", total: Optional[int] = None, done: int = 0,
                 within: bool = False) -> None:
        """What is done, who is told, and what is counted, if anything."""
        self.label, self.unit, self.total, self.done = label, unit, total, done
        self._say, self._before = say, done
        self._start = time.monotonic()
        self.lines = 0
        self.within = within

    def update(self, count: int = 1) -> None:
        """Count what has been done since."""
        self.done += count

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._start

    def due(self, quiet: float) -> bool:
        """Whether it is time for a line, after so many seconds without one from anybody."""
        return quiet >= EVERY_SECONDS if self.lines or self.within else self.seconds() >= FIRST_SECONDS

    def say(self) -> None:
        """A line: what is done; from the second one on how far it is, too."""
        self._say(f"{self.label}: {self.state()}" if self.lines or self.within else f"{self.label} ...")
        self.lines += 1

    def conclude(self) -> None:
        """A line at the end of what had one at the beginning."""
        if self.lines and not self.within:
            self._say(f"{self.label}: {duration(self.seconds())}")

    def state(self) -> str:
        """How far it is, how fast, and how long it will take; of what is not counted, how long it has taken."""
        if self.total is None:
            return f"{duration(self.seconds())} so far"
        new, seconds = self.done - self._before, self.seconds()
        rate = new / seconds if seconds else 0.0
        left = f", {rate:.3g} {self.unit}/s, {duration((self.total - self.done) / rate)} left" if rate else \
            f", {duration(seconds)} so far"
        return f"{self.done} of {self.total} {self.unit}{left}"


class _Log:
    """The activities that are under way, one within the other."""

    def __init__(self) -> None:
        self._open: List[Activity] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._ticking: Optional[threading.Thread] = None
        self._last = 0.0

    @contextlib.contextmanager
    def under_way(self, activity: Activity) -> Iterator[Activity]:
        """Say of an activity how far it is for as long as the block lasts, and how long it took where it was said."""
        self._begin(activity)
        try:
            yield activity
        finally:
            self._finish(activity)
        self.tell(activity.conclude)

    def tell(self, say: Callable[[], None]) -> None:
        """Say something, which puts off the next line."""
        say()
        self._last = time.monotonic()

    def _begin(self, activity: Activity) -> None:
        with self._lock:
            activity.within |= activity.total is not None and bool(self._open)
            if not self._open:
                self._last = time.monotonic()
            self._open.append(activity)
            if self._ticking is None:
                self._end = threading.Event()
                self._ticking = threading.Thread(target=self._tick, args=(self._end,), daemon=True)
                self._ticking.start()

    def _finish(self, activity: Activity) -> None:
        ended = None
        with self._lock:
            self._open.remove(activity)
            if not self._open:
                ended, self._ticking = self._ticking, None
                self._end.set()
        # What an error left open ends with the interpreter, under which daemon threads do not run on.
        if ended is not None and not sys.is_finalizing():
            ended.join()

    def _tick(self, end: threading.Event) -> None:
        while not end.wait(_LOOK_SECONDS):
            with self._lock:
                under_way = [*self._open]
            quiet = time.monotonic() - self._last
            # What has begun is said once, from the outside in; from then on the innermost speaks.
            fresh = [activity for activity in under_way if not (activity.lines or activity.within)]
            activity = next(iter(fresh + under_way[-1:]), None)
            if activity is not None and activity.due(quiet):
                self.tell(activity.say)


_LOG = _Log()
under_way = _LOG.under_way
tell = _LOG.tell


def duration(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
