"""How long each step of a run takes."""

import contextlib
import time
from typing import Dict, Iterator

from quant_accuracy.base import progress


class Stopwatch:
    """Seconds by step, by a clock that only goes forward; a step that is done several times adds up."""

    def __init__(self) -> None:
        self._seconds: Dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a block, and say in a log that it is under way; one that fails counts too."""
        start = time.perf_counter()
        try:
            with progress.stage(name):
                yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start

    def seconds(self) -> Dict[str, float]:
        """What was measured so far, in the order in which the steps ended first."""
        return dict(self._seconds)
