"""How many cores this process may use, and work on all of them."""

import collections
import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Callable, Deque, Iterable, Iterator, Optional, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


# A property of the process, not of a call: every thread that helps has to see it.
_limit: Optional[int] = None
_kept: Optional[ThreadPoolExecutor] = None


@contextlib.contextmanager
def limited_to(threads: Optional[int]) -> Iterator[None]:
    """Use no more than so many cores inside the block, for the sake of other processes; None sets no limit."""
    global _limit
    before, _limit = _limit, threads
    try:
        yield
    finally:
        _limit = before


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Start threads once inside the block, not for each `run_concurrently`.

    Where memory is short, starting one may not only fail: from Python 3.11 on, `Thread.start` may wait for ever for a
    thread that found no memory for its first frame.
    """
    global _kept
    before = _kept
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        _kept = pool
        try:
            yield
        finally:
            _kept = before


def cores() -> int:
    """The number of cores that this process may use."""
    available = len(os.sched_getaffinity(0))
    return available if _limit is None else max(1, min(available, _limit))


def run_concurrently(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on each item, in the items' order, computed on as many threads as there are cores.

    Only a few items are taken ahead, so that memory does not grow with their number. When `items` raises, the results
    of the items before it are given first. `work` does not call this itself: it could wait for its own thread.
    """
    source = iter(items)
    waiting: "Deque[Future[Result]]" = collections.deque()
    with _threads() as pool:
        try:
            while True:
                try:
                    while len(waiting) < 2 * cores():
                        waiting.append(pool.submit(work, next(source)))
                except StopIteration:
                    break
                yield waiting.popleft().result()
        except Exception:
            yield from _finished(waiting)
            raise
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        else:
            yield from _finished(waiting)
        finally:
            # What is still at work uses what the caller is about to close.
            wait(waiting)


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    if _kept is not None:
        yield _kept
        return
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        yield pool


def _finished(waiting: "Deque[Future[Result]]") -> Iterator[Result]:
    while waiting:
        yield waiting.popleft().result()
