"""A log is told what is under way, and never falls silent."""

import re
import time
from typing import Callable, List

import pytest

from quant_accuracy.base import log_lines
from quant_accuracy.base.log_lines import Activity


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """What was said, by clocks that are faster than a person's."""
    monkeypatch.setattr(log_lines, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(log_lines, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(log_lines, "_LOOK_SECONDS", 0.01)
    return []


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_takes_long_has_a_line_at_its_beginning_at_its_end_and_again_and_again_between(said: List[str]) -> None:
    with log_lines.under_way(Activity("judging", said.append)):
        _until(lambda: len(said) >= 3)

    assert said[0] == "judging ..."
    assert {re.sub(r"\d", "0", line) for line in said[1:-1]} == {"judging: 0 s so far"}
    assert re.fullmatch(r"judging: \d+ s", said[-1])


def test_what_is_quick_has_no_line(said: List[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "FIRST_SECONDS", 60.0)

    with log_lines.under_way(Activity("judging", said.append)):
        pass

    assert said == []


def test_the_innermost_speaks_and_says_how_far_it_is(said: List[str]) -> None:
    with log_lines.under_way(Activity("detect", said.append)), \
            log_lines.under_way(Activity("detecting", said.append, "images", 200, 100)) as images:
        _until(lambda: len(said) >= 1)
        images.update(50)
        _until(lambda: any("150 of 200 images" in line for line in said))

    assert said[-1].startswith("detect")
    assert not [line for line in said if line.startswith("detect:") and "so far" in line]


def test_rate_and_time_left_are_those_of_what_was_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    activity = Activity("detecting", print, "images", 200, 100)
    monkeypatch.setattr(activity, "seconds", lambda: 10.0)

    assert activity.state() == "100 of 200 images, 10 s so far"
    activity.update(20)
    assert activity.state() == "120 of 200 images, 2 images/s, 40 s left"


def test_a_line_of_somebody_else_puts_the_next_one_off(said: List[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "EVERY_SECONDS", 60.0)
    with log_lines.under_way(Activity("detect", said.append)):
        _until(lambda: said == ["detect ..."])
        log_lines.tell(lambda: said.append("3 of 10 shards"))
        time.sleep(0.1)

        assert said == ["detect ...", "3 of 10 shards"]


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_seconds_are_said_as_a_person_says_them(seconds: float, words: str) -> None:
    assert log_lines.duration(seconds) == words
