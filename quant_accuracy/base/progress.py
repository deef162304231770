"""How far a run is: bars on a terminal, lines in a log.

Lines are for runs that somebody started, by a command or with pytest: who calls a function of this package gets none.
"""

import contextlib
import sys
import threading
import time
from typing import ContextManager, Iterable, Iterator, List, Optional, TextIO, TypeVar, Union, cast

from tqdm import tqdm

from quant_accuracy.base import log_lines
from quant_accuracy.base.log_lines import Activity

Item = TypeVar("Item")
Counter = Union["tqdm[None]", Activity]

# Its own lock would be shared between processes, and outlive one that is killed.
tqdm.set_lock(threading.RLock())
# Where progress is shown in a log, the last one first; None for the error stream. And what it is for.
_STREAMS: List[Optional[TextIO]] = []
_PURPOSES: List[str] = []


@contextlib.contextmanager
def shown_on(stream: Optional[TextIO] = None) -> Iterator[None]:
    """Show the progress of the block, also in a log.

    Args:
        stream: Where, for a process whose error stream is captured; None for that.
    """
    _STREAMS.append(stream)
    try:
        yield
    finally:
        _STREAMS.pop()


@contextlib.contextmanager
def purpose(text: str) -> Iterator[None]:
    """Say in bars and lines of the block what they are for: `jitter: detecting`."""
    _PURPOSES.append(text)
    try:
        yield
    finally:
        _PURPOSES.pop()


def _stream() -> TextIO:
    return (_STREAMS[-1] if _STREAMS else None) or sys.stderr


def labelled(label: str) -> str:
    """A label with what the work is for."""
    return f"{_PURPOSES[-1]}: {label}" if _PURPOSES else label


def bar(items: Iterable[Item], total: Optional[int], unit: str, label: str) -> Iterator[Item]:
    """Pass `items` through, showing rate and remaining time once it takes longer than a second."""
    with counter(total, unit, label) as shown:
        for item in items:
            yield item
            shown.update(1)


def counter(total: Optional[int], unit: str, label: str, initial: int = 0) -> ContextManager[Counter]:
    """A progress bar to be advanced by hand with `update(n)`, in a log lines; without a total it shows nothing."""
    stream = _stream()
    if total is None or stream.isatty() or not _STREAMS:
        return cast(ContextManager[Counter], tqdm(
            total=total, initial=initial, unit=f" {unit}", desc=labelled(label), delay=1.0, file=stream,
            disable=total is None or not stream.isatty(), dynamic_ncols=True, leave=False))
    return log_lines.under_way(Activity(labelled(label), _line, unit, total, initial))


@contextlib.contextmanager
def step(label: str) -> Iterator[None]:
    """Say what is being done, and how long it took; in a log only where it takes longer than a second."""
    start, stream = time.perf_counter(), _stream()
    if not stream.isatty():
        with stage(label):
            yield
        return
    stream.write(f"{label} ...\r")
    stream.flush()
    yield
    note(f"{label}: {time.perf_counter() - start:.1f} s")


def stage(label: str) -> ContextManager[object]:
    """As `step`, of what a terminal shows a bar of, if anything."""
    if _stream().isatty() or not _STREAMS:
        return contextlib.nullcontext()
    return log_lines.under_way(Activity(labelled(label), _line))


# What is shown with its seconds now, the last one first to be changed.
_CLOCKS: "List[tqdm[None]]" = []


@contextlib.contextmanager
def clock(label: str) -> Iterator[None]:
    """Show in one line of a terminal what is being done and for how long; `doing` says what is done within.

    Elsewhere it is a line at the beginning. How long it took is a line at the end, unless it fails.
    """
    start, end, stream = time.perf_counter(), threading.Event(), _stream()
    shown = stream.isatty()
    if not shown:
        say(f"{label} ...")
    silent = shown or not _STREAMS
    with contextlib.nullcontext() if silent else log_lines.under_way(Activity(label, _line, within=True)), \
            tqdm(desc=label, bar_format="{desc} ... {elapsed}", disable=not shown, leave=False, file=stream) as line:
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
    if _stream().isatty():
        _line(text)


def log(text: str) -> None:
    """Print one line in a log, where no terminal shows a bar."""
    if _STREAMS and not _stream().isatty():
        log_lines.tell(lambda: _line(text))


def announce(text: str) -> None:
    """Print one line where progress is shown, before work that takes long."""
    if _STREAMS or _stream().isatty():
        log_lines.tell(lambda: _line(text))


def _line(text: str) -> None:
    stream = _stream()
    tqdm.write(text, file=stream)
    stream.flush()


def say(text: str) -> None:
    """Print one line to the error stream without tearing a progress bar."""
    tqdm.write(text, file=sys.stderr)
