"""Executors: what several processes gain."""

import statistics
import time
from pathlib import Path
from typing import List, Tuple

from benchmarks.speed.setting import demo_card, shards_of, show
from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.detection import run as detection
from quant_accuracy.executors.contract import Executor, Workload
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.pipeline.assignment import of_artifacts
from quant_accuracy.settings import options


def measure_executors(cache: Cache, scratch: Path) -> None:
    """Images a second of two processes against one, one thread each: without their start and without their end."""
    data, model = ready.data_paths(cache, count=500), demo_card()
    built = build.build(model, data.checkpoint, shards_of(data), cache)
    runs = [detection.Run(variant) for variant in (FLOAT, QUANTIZED)]
    assignment = of_artifacts(built, model, runs, options.DEFAULT_BATCH_SIZE, {})
    ratios: List[float] = []
    for _ in range(3):
        rates = {jobs: _steady_rate(ProcessExecutor(jobs, jobs, None), assignment, 2 * shards_of(data), jobs)
                 for jobs in (1, 2)}
        print("processes with one thread each, float and quantized: "
              + ", ".join(f"--jobs {jobs} {rate:.1f} images/s" for jobs, rate in rates.items()))
        ratios.append(rates[2] / rates[1])
    show("executor processes, --jobs 2 / --jobs 1, steady state", statistics.median(ratios), "", ">= 1.8")


def _steady_rate(executor: Executor, assignment: Assignment, shards: List[Shard], jobs: int) -> float:
    """Images a second between the first shard of the last worker to start, and the last shard that keeps all busy."""
    work = [detection.Work(shard, assignment.runs) for shard in shards]
    ends: List[Tuple[float, int]] = []
    executor.detect(Workload(assignment, work, len(work), sum(shard.records for shard in shards),
                             lambda item, _: ends.append((time.perf_counter(), item.shard.records))),
                    lambda retry: None)
    steady = ends[2 * jobs:len(ends) - jobs + 1]
    return sum(images for _, images in steady[1:]) / (steady[-1][0] - steady[0][0])
