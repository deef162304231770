"""How a command line ends: one clear line for what could not be measured, and an exit status that tells why."""

import contextlib
import signal
import sys
import threading
from typing import Any, Callable, Iterator

from quant_accuracy.errors import QuantAccuracyError

MEASURED, GATE_FAILED, NOT_MEASURED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, which batch systems and service managers send, ends a run as Ctrl-C does."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM comes inside the block, so that it cleans up."""
    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread hears signals.
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(work: Callable[[], int]) -> int:
    """Run `work` and give its exit status, or the one of the error that ended it."""
    try:
        with terminable():
            return work()
    except QuantAccuracyError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    except KeyboardInterrupt as error:
        terminated = isinstance(error, Terminated)
        print(f"{'terminated' if terminated else 'interrupted'}; finished shards are kept, the same command goes on "
              "from there", file=sys.stderr)
        return TERMINATED if terminated else INTERRUPTED
