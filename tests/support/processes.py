"""Reports in processes of their own, with the workers that they start, for tests that kill some of them."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Collection, Dict, List

from tests.support import suite
from tests.support.places import ROOT

_WORKER = b"multiprocessing.spawn"


def start_report(arguments: List[str], cwd: Path = ROOT) -> "subprocess.Popen[str]":
    """Start a report as a terminal would: the leader of a group that hears Ctrl-C."""
    return subprocess.Popen([sys.executable, str(ROOT / "tools" / "report.py"), *arguments], cwd=str(cwd),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                            env=suite.environment(), start_new_session=True,
                            # A job in the background is deaf to Ctrl-C.
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def wait_for_shards(process: "subprocess.Popen[str]", cache: Path, files: int = 2) -> None:
    """Wait until so many files of detections are there and the next shard is under way."""
    until(lambda: process.poll() is not None or len(list(cache.glob("detections/*/*.npz"))) >= files, 120.0)
    assert process.poll() is None, process.communicate()
    time.sleep(0.1)


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true, at most so long; whether it is."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def parents() -> Dict[int, int]:
    """The parent of every process, by its number."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything.
            found[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def command_line(process: int) -> bytes:
    """What a process was started with, or calls itself; nothing when it is gone or a zombie."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def workers(process: int, word: bytes = _WORKER) -> List[int]:
    """The children of a process that are workers."""
    return sorted(child for child, parent in parents().items() if parent == process and word in command_line(child))


def gone(processes: Collection[int], seconds: float) -> bool:
    """Whether all of these processes end within some time."""
    return until(lambda: not any(command_line(process) for process in processes), seconds)


def descendants(process: int) -> List[int]:
    """All processes that a process started, and those that they did."""
    found, known = [process], parents()
    for ancestor in found:
        found += [child for child, parent in known.items() if parent == ancestor]
    return found[1:]
