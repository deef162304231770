"""This process: several images at once, on its own threads."""

from typing import Callable, Dict, Optional

from quant_accuracy.base import concurrency
from quant_accuracy.detection import run as detection
from quant_accuracy.detection.run import Run, Speed
from quant_accuracy.executors import worker
from quant_accuracy.executors.contract import Executor, Retry, Workload


class LocalExecutor(Executor):
    """Runs shards in this process; when it dies, they wait for the next start.

    Args:
        threads: Cores to use; None takes all.
    """

    def __init__(self, threads: Optional[int]) -> None:
        self._threads = threads

    def detect(self, workload: Workload, retried: Callable[[Retry], None]) -> Dict[Run, Speed]:
        """Run every shard; the images of one follow those of another without a gap."""
        assignment = workload.assignment
        with concurrency.limited_to(self._threads), worker.open_detectors(assignment) as detectors:
            return detection.detect(workload.work, detectors, assignment.batch_size, assignment.size, workload.finished,
                                    workload.images)
