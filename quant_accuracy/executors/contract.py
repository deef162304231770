"""What every executor does: it takes shards one after the other and hands over each one's detections once, whole.

Who claims shards and keeps their detections does not know who ran them, and the other way round.
"""

import abc
from typing import Callable, Dict, Iterable, List, NamedTuple

from quant_accuracy.detection.run import Finished, Run, Speed, Work
from quant_accuracy.executors.worker import Assignment


class Retry(NamedTuple):
    """A shard that had to be run again.

    Attributes:
        shard: Its number.
        executor: Who ran it.
        reason: What became of the worker that was at it.
    """

    shard: int
    executor: str
    reason: str

    def line(self) -> str:
        """What happened, as a person reads it."""
        return f"shard {self.shard} was run again: {self.reason} (executor {self.executor})"


class Workload(NamedTuple):
    """What an executor is given.

    Attributes:
        assignment: What is the same for all shards.
        work: The shards; the next one is asked for when there is somebody to run it.
        shards: How many they are at most.
        images: How many images they hold at most.
        finished: Called in the thread that called the executor, with each shard when it is whole.
    """

    assignment: Assignment
    work: Iterable[Work]
    shards: int
    images: int
    finished: Finished


class Executor(abc.ABC):
    """Runs shards somewhere."""

    @abc.abstractmethod
    def detect(self, workload: Workload, retried: Callable[[Retry], None]) -> Dict[Run, Speed]:
        """Run every shard of a workload; leave no worker behind, however this ends.

        Args:
            workload: The shards and what to do with them.
            retried: Called for each shard that has to be run again.

        Returns:
            The speed of each run.

        Raises:
            QuantAccuracyError: A shard is damaged, or workers were lost again and again; those that were finished
                before have been handed over.
        """


def joined(speeds: List[Dict[Run, Speed]]) -> Dict[Run, Speed]:
    """The speeds of several workloads, one after the other."""
    found: Dict[Run, Speed] = {}
    for part in speeds:
        for run, speed in part.items():
            found[run] = found.get(run, Speed(0, 0.0)).plus(speed)
    return found
