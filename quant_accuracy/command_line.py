"""How a command line ends: one clear line for what could not be measured, and an exit status that tells why."""

import contextlib
import signal
import sys
import threading
from typing import Any, Callable, Iterator, List

from quant_accuracy.errors import QuantAccuracyError

MEASURED, GATE_FAILED, NOT_MEASURED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


@contextlib.contextmanager
def terminable(heard: Callable[[int], None]) -> Iterator[None]:
    """Let SIGTERM, which batch systems and service managers send, end the block as Ctrl-C does.

    Args:
        heard: Called with the signal's number: libraries make one KeyboardInterrupt of another, and lose what it says.
    """
    def terminate(number: int, frame: Any) -> None:
        heard(number)
        raise KeyboardInterrupt

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
    heard: List[int] = []
    try:
        with terminable(heard.append):
            return work()
    except QuantAccuracyError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    except KeyboardInterrupt:
        print(f"{'terminated' if heard else 'interrupted'}; finished shards are kept, the same command goes on from "
              "there", file=sys.stderr)
        return TERMINATED if heard else INTERRUPTED
