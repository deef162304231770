"""Seconds by step."""

import time

import pytest

from quant_accuracy.base.stopwatch import Stopwatch


def test_a_step_has_the_seconds_that_it_took_and_several_calls_add_up() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.step("slow"):
            time.sleep(0.05)
    with watch.step("fast"):
        pass

    seconds = watch.seconds()

    assert list(seconds) == ["slow", "fast"]
    assert 0.1 <= seconds["slow"] < 1.0
    assert 0.0 <= seconds["fast"] < 0.05


def test_a_step_that_fails_counts_and_lets_the_failure_through() -> None:
    watch = Stopwatch()

    with pytest.raises(ZeroDivisionError), watch.step("failing"):
        raise ZeroDivisionError

    assert list(watch.seconds()) == ["failing"]


def test_what_was_given_away_does_not_go_on() -> None:
    watch = Stopwatch()
    before = watch.seconds()

    with watch.step("later"):
        pass

    assert before == {}
