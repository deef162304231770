"""How many cores this process may use, and work on all of them."""

import collections
import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Deque, Iterable, Iterator, Optional, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


# A property of the process, not of a call: every thread that helps has to see it.
_limit: Optional[int] = None


@contextlib.contextmanager
def limited_to(threads: Optional[int]) -> Iterator[None]:
    """Use no more than so many cores inside the block, for the sake of other processes; None sets no limit."""
    global _limit
    before, _limit = _limit, threads
    try:
        yield
    finally:
        _limit = before


def cores() -> int:
    """The number of cores that this process may use."""
    available = len(os.sched_getaffinity(0))
    return available if _limit is None else max(1, min(available, _limit))


def run_concurrently(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on each item, in the items' order, computed on as many threads as there are cores.

    Only a few items are taken ahead, so that memory does not grow with their number. When `items` raises, the results
    of the items before it are given first.
    """
    source = iter(items)
    waiting: "Deque[Future[Result]]" = collections.deque()
    with ThreadPoolExecutor(max_workers=cores()) as pool:
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
        yield from _finished(waiting)


def _finished(waiting: "Deque[Future[Result]]") -> Iterator[Result]:
    while waiting:
        yield waiting.popleft().result()
