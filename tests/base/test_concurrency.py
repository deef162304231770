"""Work on all cores: results in order, threads that are kept, nothing left running."""

import threading
import time
from typing import Iterator, List

import pytest

from quant_accuracy.base import concurrency


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(concurrency.run_concurrently(work, range(20))) == [item * item for item in range(20)]


@pytest.mark.parametrize("kept", [False, True])
def test_what_came_before_an_error_is_given_first(kept: bool) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("the sixth")

    found: List[int] = []
    with concurrency.threads_kept() if kept else concurrency.limited_to(None), \
            pytest.raises(ValueError, match="the sixth"):
        found.extend(concurrency.run_concurrently(lambda item: item, items()))

    # `extend` takes what it gets one by one.
    assert found == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kept", [False, True])
def test_nothing_runs_on_when_the_caller_stops_early(kept: bool) -> None:
    running: List[int] = []

    def work(item: int) -> int:
        running.append(item)
        time.sleep(0.02)
        running.remove(item)
        return item

    with concurrency.threads_kept() if kept else concurrency.limited_to(None):
        results = concurrency.run_concurrently(work, range(50))
        next(results)
        results.close()  # type: ignore[attr-defined]

        assert running == []


def test_threads_that_are_kept_are_started_once() -> None:
    def used() -> List[int]:
        return list(concurrency.run_concurrently(lambda _: threading.get_ident(), range(8)))

    before = threading.active_count()
    with concurrency.threads_kept():
        found = {thread for _ in range(10) for thread in used()}
        assert len(found) <= concurrency.cores()
        assert threading.active_count() > before
    assert threading.active_count() == before
    assert used()
    assert threading.active_count() == before
