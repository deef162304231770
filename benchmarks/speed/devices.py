"""Images a second of the integer models, beside the simulation."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

from benchmarks.speed.runtimes import evaluation
from benchmarks.speed.setting import demo_card, shards_of, show
from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import DEVICE, OPENVINO_INT8, QUANTIZED, TFLITE
from quant_accuracy.demo import ready
from quant_accuracy.detection.run import Run
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.pipeline.assignment import of_artifacts
from quant_accuracy.runtimes import openvino_runtime
from quant_accuracy.settings import options

_ROUNDS, _SHARDS = 3, 2
# What a device may cost: so many times the simulation. TFLite's uint8 kernels are made for ARM.
_TARGETS = {TFLITE: "<= 6", OPENVINO_INT8: "<= 1"}


def measure_devices(cache: Cache, scratch: Path) -> None:
    """The demo's simulation and its integer models in turn, with decoding, post-processing and writing."""
    demo = ready.data_paths(cache)
    shards, kept = shards_of(demo), Cache(scratch / "cache-devices")
    assigned: Dict[str, Assignment] = {}
    for kind in [TFLITE, *([OPENVINO_INT8] if openvino_runtime.installed() else [])]:
        built = build.build(replace(demo_card(), device=kind), demo.checkpoint, shards, kept)
        assigned[kind] = of_artifacts(built, demo_card(), [Run(DEVICE)], options.DEFAULT_BATCH_SIZE, {})
        assigned[QUANTIZED] = of_artifacts(built, demo_card(), [Run(QUANTIZED)], options.DEFAULT_BATCH_SIZE, {})
    seconds: Dict[str, List[float]] = {name: [] for name in assigned}
    for _ in range(_ROUNDS):
        for name, assignment in assigned.items():
            seconds[name].append(evaluation(assignment, shards[:_SHARDS], scratch / "devices")[0])
    images = sum(shard.records for shard in shards[:_SHARDS])
    for name, found in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(found, seconds[QUANTIZED]))
        print(f"demo network (0.35): {name}: {images / statistics.median(found):.1f} images/s", flush=True)
        if name in _TARGETS:
            show(f"demo network (0.35): evaluation, {name} / simulation, time", ratio, "", _TARGETS[name])
