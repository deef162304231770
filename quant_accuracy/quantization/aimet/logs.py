"""What AIMET says: in a file, which errors name, and not between the lines of a report."""

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Iterator, List, Optional

from quant_accuracy.base import files
from quant_accuracy.quantization.aimet.installation import Aimet

_FORMAT = "%(levelname)s %(name)s: %(message)s"
_OPEN: List[Path] = []


def path() -> Path:
    """The log of the last build: one file for each user."""
    return Path(tempfile.gettempdir()) / f"quant-accuracy-aimet-{os.getuid()}.log"


def current() -> Optional[Path]:
    """The log that is being written; None outside of a build."""
    return _OPEN[-1] if _OPEN else None


@contextlib.contextmanager
def to_file(modules: Aimet) -> Iterator[None]:
    """Send what AIMET says to the log, from its beginning, for the time of a block; one block at a time.

    Raises:
        StorageError: It cannot be written.
    """
    target = path()
    with files.storage_errors(target):
        # The folder is everybody's: a link that somebody has put there is not followed.
        stream = os.fdopen(os.open(str(target), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w",
                           encoding="utf-8")
    loggers = list(map(logging.getLogger, modules.loggers))
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(_FORMAT))
    with stream:
        for logger in loggers:
            logger.addHandler(handler)
            logger.propagate = False
            logger.setLevel(logging.INFO)
        _OPEN.append(target)
        try:
            yield
        finally:
            _OPEN.remove(target)
            for logger, propagate, level in before:
                logger.removeHandler(handler)
                logger.propagate = propagate
                logger.setLevel(level)
