"""Who hears Ctrl-C and SIGTERM: the process that the user started, which then ends its workers, and nobody else."""

import contextlib
import signal
import threading
from typing import Iterator


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is started inside never hears Ctrl-C, from its first moment on: who started it says when it ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def termination_kept() -> Iterator[None]:
    """After the block SIGTERM does what it did before: Ray, when it is imported and when it starts, ends at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # Only the main thread may say what a signal does, and only what Python did before can be done again.
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
