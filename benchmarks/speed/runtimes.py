"""What OpenVINO gains over TensorFlow: evaluation, whole reports, memory."""

import shutil
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from benchmarks.speed import doors
from benchmarks.speed.setting import demo_card, full_size_checkpoint, report_command, shards_of, show, timed
from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, OPENVINO, QUANTIZED, TENSORFLOW, VARIANTS
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.detection import run as detection
from quant_accuracy.detection import store
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.executors import worker
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.pipeline.assignment import of_artifacts
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths

_BOTH = "float and quantized"
_WAYS: Dict[str, Tuple[str, ...]] = {FLOAT: (FLOAT,), QUANTIZED: (QUANTIZED,), _BOTH: VARIANTS}
_RUNTIMES = (TENSORFLOW, OPENVINO)
_ROUNDS = 3


def measure_runtimes(cache: Cache, scratch: Path) -> None:
    """Evaluation with everything by either runtime, in turn: wall-clock time, and CPU time."""
    demo = ready.data_paths(cache)
    full_size = replace(demo, checkpoint=full_size_checkpoint(scratch / "full-size-runtimes"))
    for label, data in (("full-size network", full_size), ("demo network (0.35)", demo)):
        shards, kept = shards_of(data), Cache(scratch / "cache-runtimes")
        built = {name: build.build(replace(demo_card(), runtime=name), data.checkpoint, shards, kept)
                 for name in _RUNTIMES}
        for way, variants in _WAYS.items():
            runs = [detection.Run(variant) for variant in variants]
            assigned = {name: of_artifacts(found, demo_card(), runs, options.DEFAULT_BATCH_SIZE, {})
                        for name, found in built.items()}
            times: Dict[str, List[Tuple[float, float]]] = {name: [] for name in _RUNTIMES}
            for _ in range(_ROUNDS):
                for name in _RUNTIMES:
                    times[name].append(evaluation(assigned[name], shards, scratch / "runtimes"))
            for unit, which in (("time", 0), ("CPU time", 1)):
                ratios = [a[which] / b[which] for a, b in zip(times[TENSORFLOW], times[OPENVINO])]
                show(f"{label}: evaluation, {way}, tensorflow / openvino, {unit}", statistics.median(ratios), "",
                     ">= 2.0")


def evaluation(assignment: Assignment, shards: List[Shard], folder: Path) -> Tuple[float, float]:
    """Seconds and CPU seconds, with decoding, resizing, post-processing and writing."""
    work = [detection.Work(shard, assignment.runs) for shard in shards]
    with worker.open_detectors(assignment) as detectors:

        def keep(item: detection.Work, found: Mapping[detection.Run, ShardDetections]) -> None:
            for run, part in found.items():
                store.save(folder / f"{run.variant}-{item.shard.index}.npz", part)

        def detect(items: List[detection.Work]) -> None:
            detection.detect(items, detectors, assignment.batch_size, assignment.size, keep)

        detect([work[0]._replace(shard=replace(work[0].shard, records=4))])
        start, used = time.perf_counter(), time.process_time()
        detect(work)
        return time.perf_counter() - start, time.process_time() - used


def measure_runtime_reports(cache: Cache, scratch: Path) -> None:
    """Cold reports on 500 images by either runtime, in turn: time and peak memory."""
    data = ready.data_paths(cache, count=500)
    seconds: Dict[str, List[float]] = {name: [] for name in _RUNTIMES}
    peaks: Dict[str, int] = {}
    for _ in range(_ROUNDS):
        for name in _RUNTIMES:
            seconds[name].append(timed(_cold(data, scratch / "cold", name)))
    for name in _RUNTIMES:
        peaks[name] = doors.peak_memory(_cold(data, scratch / "cold", name))
        print(f"peak memory of a report, {name}: {peaks[name] / 1024:.0f} MB")
    show("cold report on 500 images, openvino / tensorflow",
         statistics.median(b / a for a, b in zip(seconds[TENSORFLOW], seconds[OPENVINO])), "", "<= 0.7")
    show("peak memory, openvino / tensorflow", peaks[OPENVINO] / peaks[TENSORFLOW], "", "<= 1.1")


def _cold(data: DataPaths, folder: Path, runtime: str) -> List[str]:
    shutil.rmtree(str(folder), ignore_errors=True)
    return [*report_command(data, folder / "cache", folder / "output"), "--runtime", runtime]
