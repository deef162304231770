"""Progress is for people at a terminal, and for nobody else."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from typing import Tuple

import pytest

from quant_accuracy.base import progress
from tests.support.places import ROOT

_CLOCK = """
import time
from quant_accuracy.base import progress
with progress.clock("building"):
    progress.doing("folding")
    time.sleep(1.2)
progress.doing("alone")
"""
_LOGGED = """
import time
from quant_accuracy.base import progress
with progress.shown_on(), progress.purpose("jitter"), progress.step("making"):
    time.sleep(1.5)
    progress.log("3 of 9 shards")
"""
_SCRIPT = """
from quant_accuracy.base import progress
with progress.step("making"):
    progress.note("seen")
progress.say("always")
"""


def test_items_pass_through_and_files_get_no_bar(capsys: pytest.CaptureFixture) -> None:
    assert list(progress.bar(iter("abc"), 3, "images", "detecting")) == ["a", "b", "c"]
    with progress.counter(3, "images", "detecting") as counter:
        counter.update(3)
    with progress.step("making"):
        progress.note("seen")

    assert capsys.readouterr() == ("", "")


def _run(terminal: bool, script: str = _SCRIPT) -> Tuple[str, str]:
    """What a process prints to its output and its errors, which may go to a terminal."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    if terminal:
        # A new one has 0 columns, in which tqdm shows nothing.
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=writer, cwd=str(ROOT),
                          text=True, check=True)
    said = os.read(reader, 10_000).decode()
    os.close(reader)
    os.close(writer)
    return done.stdout, said


def test_a_step_is_told_on_a_terminal_with_its_seconds() -> None:
    out, said = _run(terminal=True)

    assert out == ""
    assert "making ..." in said
    assert "seen" in said
    assert "making: 0.0 s" in said


def test_without_a_terminal_only_what_everybody_has_to_know_is_said() -> None:
    assert _run(terminal=False) == ("", "always\n")


def test_a_log_is_told_what_takes_longer_than_a_second_and_what_shards_are_done() -> None:
    out, said = _run(terminal=False, script=_LOGGED)

    assert out == ""
    assert re.sub(r"\d", "1", said).splitlines() == ["jitter: making ...", "1 of 1 shards", "jitter: making: 1 s"]


def test_a_clock_is_one_line_that_counts_and_says_what_is_done() -> None:
    out, said = _run(terminal=True, script=_CLOCK)

    assert out == ""
    assert "folding ... 00:01" in said
    assert said.count("\n") == 2
    assert re.search(r"building: \d s", said)


def test_a_clock_without_a_terminal_is_a_line_at_the_beginning_and_one_with_the_seconds() -> None:
    out, said = _run(terminal=False, script=_CLOCK)

    assert (out, re.sub(r"\d", "1", said)) == ("", "building ...\nbuilding: 1 s\nalone ...\n")


def test_a_process_that_an_error_leaves_amid_a_bar_ends() -> None:
    """What the error holds on to goes with the interpreter, after the thread that says how far it is."""
    code = ("from quant_accuracy.base import progress\nwith progress.shown_on():\n"
            "    items = progress.bar(range(3), 3, 'images', 'converting')\n    next(items)\nheld = [items]\n"
            "held.append(held)")

    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=str(ROOT), timeout=30)

    assert (done.returncode, done.stderr) == (0, b"")
