"""The report and the gate suite as their users run them: time and memory."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Tuple

from benchmarks.speed.setting import report_command, show, timed
from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import ready
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths

# Evaluates as the report does, and writes nothing.
_EVALUATE = """
import sys
from pathlib import Path
from quant_accuracy.pipeline import evaluation
from quant_accuracy.settings import card, options
from quant_accuracy.base.cache import Cache
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.request import Request
from quant_accuracy.graph.network import Network
checkpoint, folder, pattern, annotations, kept = sys.argv[1:]
data = DataPaths(Path(checkpoint), Path(folder), pattern, Path(annotations))
evaluation.evaluate(Request(card.load(options.DEMO_CARD), data, options.DEFAULT_BATCH_SIZE), Cache(Path(kept)))
"""


def measure_report(cache: Cache, scratch: Path) -> None:
    """A cold float and quantized report on 500 images."""
    data = ready.data_paths(cache, count=500)
    start = time.perf_counter()
    _peak_memory(data, scratch / "report")
    show("cold report, float and quantized, 500 images", time.perf_counter() - start, "s", "< 40 s")


def measure_report_cost(cache: Cache, scratch: Path) -> None:
    """What the report costs beyond the evaluations that it tells of: 200 images, artifacts there, no detections."""
    data, kept = ready.data_paths(cache), scratch / "cache-report-cost"
    arguments = [str(data.checkpoint), str(data.dataset_dir), data.pattern, str(data.annotations), str(kept)]
    bare = [sys.executable, "-c", _EVALUATE, *arguments]
    output = scratch / "report-cost"
    full = [*report_command(data, kept, output), "--history", str(output / "history.jsonl")]
    # A script that crashes ends with the status of a gate that fails.
    expected = {"bare": (0,), "full": (0, 1)}
    timed(bare, expected["bare"])
    ratios, seconds = [], []
    for _ in range(3):
        times = []
        for label, command in (("bare", bare), ("full", full)):
            shutil.rmtree(str(kept / "detections"), ignore_errors=True)
            times.append(timed(command, expected[label]))
        ratios.append(times[1] / times[0])
        seconds.append(json.loads((output / "report.json").read_text())["run"]["seconds"])
        print(f"evaluation {times[0]:.1f} s, full report {times[1]:.1f} s")
    steps = {name: statistics.median(of_run[name] for of_run in seconds) for name in seconds[0]}
    print("steps of the report: " + ", ".join(f"{name} {value:.2f} s" for name, value in steps.items()))
    show("full report / evaluation alone, 200 images", statistics.median(ratios), "", "<= 1.5")


def measure_parallel(cache: Cache, scratch: Path) -> None:
    """The gate suite on the demo with nothing evaluated before: in one process, and shared by the workers of xdist."""
    data, kept = ready.data_paths(cache), scratch / "cache-parallel"
    common = [sys.executable, "-m", "pytest", "test_quant_accuracy", "-q", "--model", options.DEMO_CARD,
              "--model-checkpoint", str(data.checkpoint), "--dataset-dir", str(data.dataset_dir),
              "--TFRecord-file-pattern", data.pattern, "--annotation-json-file", str(data.annotations),
              "--cache-dir", str(kept)]
    _suite(common, "-k", "batch_norms")
    ways: Dict[str, List[str]] = {"1 thread": ["--threads", "1"], "all cores": [], "-n 2": ["-n", "2"]}
    times: Dict[str, List[float]] = {}
    for _ in range(3):
        for label, more in ways.items():
            shutil.rmtree(str(kept / "detections"), ignore_errors=True)
            times.setdefault(label, []).append(_suite(common, *more))
    for label, of_label in times.items():
        print(f"suite on 200 images, {label}: {statistics.median(of_label):.1f} s")
    for label in ("1 thread", "all cores"):
        show(f"suite, {label} / -n 2 with one thread each",
               statistics.median(a / b for a, b in zip(times[label], times["-n 2"])), "", "> 1")


def _suite(command: List[str], *more: str) -> float:
    """Run the gate suite, whatever its verdicts; give the time that it took."""
    return timed([*command, *more])


def measure_memory(cache: Cache, scratch: Path) -> None:
    """Peak memory of a report at 200 and at 2000 images."""
    peaks = []
    for count in (200, 2000):
        peaks.append(_peak_memory(ready.data_paths(cache, count=count), scratch / f"memory-{count}"))
        print(f"peak memory of a report on {count} images: {peaks[-1] / 1024:.0f} MB")
    show("peak memory, 2000 / 200 images", peaks[1] / peaks[0], "", "<= 1.1")


def _peak_memory(data: DataPaths, folder: Path) -> int:
    """Run a cold report in a process of its own; give its peak memory in KB."""
    return peak_memory(report_command(data, folder / "cache", folder / "output"))


def peak_memory(command: List[str]) -> int:
    """Run a report in a process of its own; give its peak memory in KB."""
    status, peak = _run_measured(command)
    if status not in (0, 1):
        raise SystemExit(f"the report ended with status {status}")
    return peak


def _run_measured(command: List[str]) -> Tuple[int, int]:
    """Run a command under a small parent whose children's peak memory is this command's alone."""
    watcher = ("import resource, subprocess, sys\n"
               "status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
               "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    output = subprocess.run([sys.executable, "-c", watcher, *command], check=True, stdout=subprocess.PIPE).stdout
    status, peak = output.split()[-2:]
    return int(status), int(peak)
