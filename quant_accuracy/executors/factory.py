"""From what the options choose to the executor itself."""

from typing import Optional

from quant_accuracy.executors import interrupts
from quant_accuracy.executors.contract import Executor
from quant_accuracy.executors.local import LocalExecutor
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES, RAY


def executor(choice: Choice, threads: Optional[int]) -> Executor:
    """The executor of a choice, on so many cores; None takes all."""
    if choice.name == PROCESSES:
        return ProcessExecutor(choice.jobs, threads, choice.shard_timeout)
    if choice.name == RAY:
        # Only here: Ray need not be installed.
        with interrupts.termination_kept():
            from quant_accuracy.executors.ray_cluster import RayExecutor

        return RayExecutor(choice.ray_address, choice.jobs, threads, choice.shard_timeout)
    return LocalExecutor(threads)
