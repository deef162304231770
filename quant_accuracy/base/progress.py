"""Progress bars for people; silence for files and CI."""

import contextlib
import sys
import threading
import time
from typing import Iterable, Iterator, Optional, TypeVar

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


def note(text: str) -> None:
    """Print one line on a terminal, where somebody watches."""
    if sys.stderr.isatty():
        say(text)


def say(text: str) -> None:
    """Print one line to the error stream without tearing a progress bar."""
    tqdm.write(text, file=sys.stderr)
