"""Measure speed and memory: `./run python -m benchmarks.run`, about ten minutes.

Every ratio compares two things measured in turn within this run, because machines are noisy.
"""

import argparse
import platform
import tempfile
from pathlib import Path
from typing import Callable, Dict

import tensorflow.compat.v1 as tf

from benchmarks.places import ROOT
from benchmarks.speed import devices, doors, executors, network, pixels, runtimes, scores
from quant_accuracy.base import concurrency
from quant_accuracy.base.cache import Cache


def main() -> None:
    """Run the measurements that are asked for, all by default."""
    measurements: Dict[str, Callable[[Cache, Path], None]] = {
        "artifacts": network.measure_artifacts, "calibration": network.measure_calibration,
        "throughput": network.measure_throughput, "decoding": pixels.measure_decoding,
        "suppression": pixels.measure_suppression, "report": doors.measure_report,
        "report_cost": doors.measure_report_cost, "why": network.measure_why, "parallel": doors.measure_parallel,
        "executors": executors.measure_executors, "scoring": scores.measure_scoring,
        "bootstrap": scores.measure_bootstrap, "memory": doors.measure_memory,
        "runtimes": runtimes.measure_runtimes, "runtime_reports": runtimes.measure_runtime_reports,
        "devices": devices.measure_devices,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", choices=[[], *measurements], help=f"default: {' '.join(measurements)}")
    which = parser.parse_args().which or list(measurements)
    print(f"{platform.machine()}, {concurrency.cores()} cores, Python {platform.python_version()}, "
          f"TensorFlow {tf.__version__}")
    cache = Cache(ROOT / ".cache")
    with tempfile.TemporaryDirectory() as scratch:
        for name in which:
            measurements[name](cache, Path(scratch))


if __name__ == "__main__":
    main()
