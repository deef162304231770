"""Where AIMET works: in a folder of its own, one process at a time, its failures turned into this project's errors."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Iterator, Type

import filelock

from quant_accuracy.base import files, progress
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.quantization import both_aimets
from quant_accuracy.quantization.aimet import logs
from quant_accuracy.quantization.aimet.installation import Aimet

# What a folder of artifacts holds of AIMET.
EXPORT, CHECKPOINT, PREFIX = "export", "aimet", "model"


@contextlib.contextmanager
def step(label: str, kind: Type[QuantAccuracyError], remedy: str) -> Iterator[None]:
    """Announce a step, and turn whatever AIMET raises in it into one of this project's errors."""
    progress.doing(f"AIMET: {label}")
    with both_aimets.failures("AIMET", label, kind, remedy, logs.current):
        yield


@contextlib.contextmanager
def workspace(modules: Aimet) -> Iterator[None]:
    """Keep AIMET's files out of other processes' way.

    It has one working folder for all processes of the machine, and leaves its folded graphs in the current folder for a
    moment. Both are moved into a private folder; the lock is for a version whose names are others. What it says goes to
    a log.
    """
    save_and_load = getattr(modules.batch_norm_fold, "save_and_load_graph", None)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock())
        stack.enter_context(logs.to_file(modules))
        stack.enter_context(progress.clock("AIMET: building the quantization simulation"))
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="quant-accuracy-aimet-"))
        if hasattr(modules.quantsim, "WORKING_DIR"):
            stack.enter_context(_replaced(modules.quantsim, "WORKING_DIR", os.path.join(scratch, "")))
        if save_and_load is not None:
            stack.enter_context(_replaced(
                modules.batch_norm_fold, "save_and_load_graph",
                lambda path, session: save_and_load(os.path.join(scratch, os.path.basename(path)), session)))
        yield


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"quant-accuracy-aimet-{os.getuid()}.lock"
    lock = filelock.FileLock(str(path))
    with files.storage_errors(path):
        try:
            held = lock.acquire(timeout=0)
        except filelock.Timeout:
            progress.say("AIMET: waiting for another process that builds with it ...")
            held = lock.acquire()
    with held:
        yield


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
