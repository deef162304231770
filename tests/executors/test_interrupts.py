"""Who hears Ctrl-C and SIGTERM."""

import signal
import subprocess
import sys
import threading

from quant_accuracy.executors import interrupts

_BLOCKED = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


def _stop(*_: object) -> None:
    raise SystemExit(1)


def _child_is_deaf() -> bool:
    said = subprocess.run([sys.executable, "-c", _BLOCKED], stdout=subprocess.PIPE, text=True, check=True).stdout
    return said == "True\n"


def test_what_is_started_inside_never_hears_ctrl_c_and_what_is_started_after_does() -> None:
    with interrupts.unheard():
        inside = _child_is_deaf()

    assert (inside, _child_is_deaf()) == (True, False)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_sigterm_does_afterwards_what_it_did_before() -> None:
    # Not what another test of this process may have left: Ray's own handler is none that Python knows.
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with interrupts.termination_kept():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

        assert signal.getsignal(signal.SIGTERM) is _stop
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def test_a_thread_that_may_not_say_what_signals_do_is_no_error() -> None:
    failed = []

    def work() -> None:
        try:
            with interrupts.termination_kept():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert not failed
