"""Progress bars for people; silence for files and CI."""

import contextlib
import sys
import threading
import time
from typing import Iterable, Iterator, List, Optional, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

# Its own lock would be shared between processes, and outlive one that is killed.
tqdm.set_lock(threading.RLock())


def bar(items: Iterable[Item], total: Optional[int], unit: str, label: str) -> Iterator[Item]:
    """Pass `items` through, showing rate and remaining time on a terminal once it takes longer than a second."""
    return iter(tqdm(items, total=total, unit=f" {unit}", desc=label, delay=1.0,
                     disable=not sys.stderr.isatty(), dynamic_ncols=True, leave=False))


def counter(total: Optional[int], unit: str, label: str, initial: int = 0) -> "tqdm[None]":
    """A progress bar to be advanced by hand with `update(n)`; a context manager. Without a total it shows nothing."""
    return tqdm(total=total, initial=initial, unit=f" {unit}", desc=label, delay=1.0,
                disable=total is None or not sys.stderr.isatty(), dynamic_ncols=True, leave=False)


@contextlib.contextmanager
def step(label: str) -> Iterator[None]:
    """Say on a terminal what is being done, and how long it took."""
    start = time.perf_counter()
    if sys.stderr.isatty():
        sys.stderr.write(f"{label} ...\r")
        sys.stderr.flush()
    yield
    note(f"{label}: {time.perf_counter() - start:.1f} s")


# What is shown with its seconds now, the last one first to be changed.
_CLOCKS: "List[tqdm[None]]" = []


@contextlib.contextmanager
def clock(label: str) -> Iterator[None]:
    """Show in one line of a terminal what is being done and for how long; `doing` says what is done within.

    Elsewhere it is a line at the beginning. How long it took is a line at the end, unless it fails.
    """
    start, end = time.perf_counter(), threading.Event()
    shown = sys.stderr.isatty()
    if not shown:
        say(f"{label} ...")
    with tqdm(desc=label, bar_format="{desc} ... {elapsed}", disable=not shown, leave=False) as line:
        ticking = threading.Thread(target=_tick, args=(line, end), daemon=True)
        _CLOCKS.append(line)
        ticking.start()
        try:
            yield
        finally:
            end.set()
            ticking.join()
            _CLOCKS.remove(line)
    say(f"{label}: {time.perf_counter() - start:.0f} s")


def _tick(line: "tqdm[None]", end: threading.Event) -> None:
    while not end.wait(1.0):
        line.refresh()


def doing(text: str) -> None:
    """Say what is being done: in the line of a `clock`, or in one of its own."""
    if _CLOCKS:
        _CLOCKS[-1].set_description_str(text)
    else:
        say(f"{text} ...")


def note(text: str) -> None:
    """Print one line on a terminal, where somebody watches."""
    if sys.stderr.isatty():
        say(text)


def say(text: str) -> None:
    """Print one line to the error stream without tearing a progress bar."""
    tqdm.write(text, file=sys.stderr)
