"""How a command line ends: one clear line for what could not be measured, and an exit status that tells why."""

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import Any, Callable, Iterable, Iterator, NoReturn, Optional

from quant_accuracy.base.errors import DefectError, QuantAccuracyError, unexpected
from quant_accuracy.base.near import near

MEASURED, GATE_FAILED, NOT_MEASURED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
# The signal that asked this process to stop: libraries make one KeyboardInterrupt of another, and lose what it says.
_heard: Optional[int] = None


class NothingKept(KeyboardInterrupt):
    """A run was stopped, and what it has finished is thrown away."""


class Parser(argparse.ArgumentParser):
    """A parser of a command line that names the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """End with what is wrong, and the status of what could not be measured."""
        said, _, unknown = message.partition("unrecognized arguments: ")
        hint = "" if said else meant(unknown.split(), self._option_string_actions)
        self.exit(NOT_MEASURED, f"{self.prog}: error: {message}{hint} ({self.prog} --help lists the options)\n")


def meant(given: Iterable[str], known: Iterable[str]) -> str:
    """What to add to a message on unknown arguments: `; did you mean --model?`; nothing where none is near."""
    flags = [flag for flag in known if flag.startswith("--")]
    found = [near(word.partition("=")[0], flags) for word in given if word.startswith("--")]
    names = list(dict.fromkeys(name for names in found for name in names))
    return f"; did you mean {' or '.join(names)}?" if names else ""


def stop_if_asked() -> None:
    """Raise what a signal asked for and did not get.

    Python drops what a signal's handler raises when the signal happens to come while an object is finalized.
    """
    if _heard is not None:
        raise KeyboardInterrupt


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, which batch systems and service managers send, end the block as Ctrl-C does."""
    global _heard

    def stop(number: int, frame: Any) -> None:
        global _heard
        _heard = number
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread hears signals.
        yield
        return
    _heard = None
    # Who started this process deaf to Ctrl-C wants it to stay so.
    heard = [number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
        stop_if_asked()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_status(work: Callable[[], int]) -> int:
    """Run `work` and give its exit status, or the one of the error that ended it.

    A crash is no verdict either: it ends with what Python has to say of it, one line, and the status of what could not
    be measured.
    """
    # It takes a while to import, and pytest imports this module whatever it runs.
    from quant_accuracy.base import progress

    try:
        with terminable(), progress.shown_on():
            return work()
    except BrokenPipeError:
        # Whoever read has gone; what is still to be printed goes nowhere, so that Python does not fail on it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("error: nobody reads the standard output any more; finished shards are kept", file=sys.stderr)
        return NOT_MEASURED
    except QuantAccuracyError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    except KeyboardInterrupt as stop:
        print(stopped(stop), file=sys.stderr)
        return TERMINATED if _heard == signal.SIGTERM else INTERRUPTED
    except Exception as error:
        return crashed(error)


def crashed(error: Exception) -> int:
    """Tell an exception that is being handled, in one line, a defect with its traceback; give the exit status."""
    ours = unexpected(error)
    if isinstance(ours, DefectError):
        traceback.print_exc()
    print(f"error: {ours}", file=sys.stderr)
    return NOT_MEASURED


def stopped(stop: KeyboardInterrupt) -> str:
    """What to say when a run was stopped: by what, what is done, and how to go on."""
    done = f", {stop}" if str(stop) else ""
    after = "--no-cache keeps nothing of it" if isinstance(stop, NothingKept) else \
        "finished shards are kept, the same command resumes from there"
    return f"{'terminated' if _heard == signal.SIGTERM else 'interrupted'}{done}; {after}"
