"""How far the fixtures are, on the error stream that pytest has taken away from them."""

import contextlib
import os
import sys
from typing import Any, Generator, TextIO

import pytest

from quant_accuracy.plugin import parallel

_STREAM = pytest.StashKey["_Stream"]()
_OURS = "quant_accuracy.plugin."


@pytest.hookimpl(trylast=True)  # type: ignore[misc]
def pytest_configure(config: pytest.Config) -> None:
    """Keep the error stream of this process: pytest captures that of tests and their fixtures."""
    # Whoever replaced it, such as a test, has no file behind it.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream = _Stream(os.fdopen(os.dup(sys.__stderr__.fileno()), "w"), _name(config))
        # The bars of several workers would overwrite each other.
        if not (stream.isatty() and parallel.is_worker(config)):
            config.stash[_STREAM] = stream


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what was kept."""
    if _STREAM in config.stash:
        config.stash[_STREAM].close()
        del config.stash[_STREAM]


def pytest_runtest_logstart() -> None:
    """Nothing but a mark: pytest prints a test's file or letter, and no end of a line."""
    _Stream.after_tests = True


@pytest.hookimpl(wrapper=True)  # type: ignore[misc]
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """Show the progress of the fixtures that compute."""
    stream = request.config.stash.get(_STREAM, None)
    if stream is None or fixturedef.scope != "session" or not fixturedef.func.__module__.startswith(_OURS):
        return (yield)
    from quant_accuracy.base import progress

    with progress.shown_on(stream):  # type: ignore[arg-type]
        return (yield)


def _name(config: pytest.Config) -> str:
    workerinput = getattr(config, "workerinput", None)
    return f"{workerinput['workerid']}: " if workerinput else ""


class _Stream:
    """A stream that begins a line of its own, and names the worker that it is of.

    Lines are written whole: several workers write to the same file.
    """

    # Whether pytest has printed something since, in the middle of a line.
    after_tests = False

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name, self._line = file, name, ""

    def write(self, text: str) -> int:
        if _Stream.after_tests and text.strip():
            _Stream.after_tests = False
            self._file.write("\n")
        if self.isatty():
            self._file.write(text)
            return len(text)
        self._line += text
        whole, newline, self._line = self._line.rpartition("\n")
        if newline:
            self._file.write("".join(f"{self._name}{line}\n" for line in whole.split("\n")))
            self.flush()
        return len(text)

    def flush(self) -> None:
        self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
