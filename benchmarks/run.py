"""Measure speed and memory: `./run python -m benchmarks.run`, about ten minutes.

Every ratio compares two things measured in turn within this run, because machines are noisy.
"""

import argparse
import contextlib
import io
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import annotations, images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.detection import merge, store
from quant_accuracy.detection import run as detection
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.executors import worker
from quant_accuracy.executors.contract import Executor, Workload
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.graph import fold, load, sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.preparation import checkpoint, pipeline_config
from quant_accuracy.quantization import calibrate, placement
from quant_accuracy.quantization.records import TF_ENHANCED, Settings
from quant_accuracy.scoring import attribution, bootstrap, coco, matching
from quant_accuracy.scoring.metrics import FIGURES
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.why import explanation, noise, sensitivity
from quant_accuracy.why.noise import QuantizedGraph

_DEMO_CONFIG = ready.PIPELINE_CONFIG


def main() -> None:
    """Run the measurements that are asked for, all by default."""
    measurements: Dict[str, Callable[[Cache, Path], None]] = {
        "artifacts": measure_artifacts, "calibration": measure_calibration, "throughput": measure_throughput,
        "report": measure_report, "report_cost": measure_report_cost, "why": measure_why, "parallel": measure_parallel,
        "executors": measure_executors,
        "scoring": measure_scoring, "bootstrap": measure_bootstrap, "memory": measure_memory,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="*", choices=[[], *measurements], help=f"default: {' '.join(measurements)}")
    which = parser.parse_args().which or list(measurements)
    print(f"{platform.machine()}, {sessions.cores()} cores, Python {platform.python_version()}, "
          f"TensorFlow {tf.__version__}")
    cache = Cache(options.ROOT / ".cache")
    with tempfile.TemporaryDirectory() as scratch:
        for name in which:
            measurements[name](cache, Path(scratch))


def measure_artifacts(cache: Cache, scratch: Path) -> None:
    """Artifacts of the full-size network from 50 calibration images."""
    data = replace(ready.data_paths(cache), checkpoint=_full_size_checkpoint(scratch / "full-size"))
    times = []
    for attempt in range(3):
        start = time.perf_counter()
        build.build(_demo_card(), data.checkpoint, _shards(data), Cache(scratch / f"cache-{attempt}"))
        times.append(time.perf_counter() - start)
    _print("artifacts of the full-size network, 50 calibration images", statistics.median(times), "s", "< 15 s")


def measure_calibration(cache: Cache, scratch: Path) -> None:
    """Histogram calibration of the full-size network, 50 images."""
    model = _demo_card()
    names, settings = model.graph, Settings(TF_ENHANCED)
    graph = load.load_frozen(_full_size_checkpoint(scratch / "full-size-calibration"), names.output_ops)
    folded = fold.fold_batch_norms(Network.of(graph, names)).graph
    quantizers = placement.place_quantizers(Network.of(folded, names), settings)
    shards = _shards(ready.data_paths(cache))
    start = time.perf_counter()
    batches = images.read_images(shards, 50, model.height, model.width)
    calibrate.calibrate(folded, quantizers, settings, names.image_input, batches)
    _print("calibration tf_enhanced of the full-size network, 50 images", time.perf_counter() - start, "s", "< 60 s")


def measure_throughput(cache: Cache, scratch: Path) -> None:
    """Evaluation with everything against a bare session.run loop over the float network."""
    demo = ready.data_paths(cache)
    full_size = replace(demo, checkpoint=_full_size_checkpoint(scratch / "full-size-throughput"))
    for label, data in (("full-size network", full_size), ("demo network (0.35)", demo)):
        built = build.build(_demo_card(), data.checkpoint, _shards(data), Cache(scratch / "cache-throughput"))
        shards = _shards(data)
        rates: Dict[str, List[float]] = {"bare": [], FLOAT: [], QUANTIZED: []}
        for _ in range(3):
            rates["bare"].append(_bare_loop(data, shards))
            for variant in (FLOAT, QUANTIZED):
                rates[variant].append(_evaluation_rate(built, shards, variant))
        print(f"{label}: bare session.run loop {statistics.median(rates['bare']):.1f} images/s")
        for variant in (FLOAT, QUANTIZED):
            ratio = statistics.median(a / b for a, b in zip(rates[variant], rates["bare"]))
            _print(f"{label}: {variant} evaluation / bare loop ({statistics.median(rates[variant]):.1f} images/s)",
                   ratio, "", ">= 0.9")
        _print(f"{label}: quantized / float evaluation",
               statistics.median(a / b for a, b in zip(rates[QUANTIZED], rates[FLOAT])), "", ">= 0.85")


def measure_report(cache: Cache, scratch: Path) -> None:
    """A cold float and quantized report on 500 images."""
    data = ready.data_paths(cache, count=500)
    start = time.perf_counter()
    _report(data, scratch / "report")
    _print("cold report, float and quantized, 500 images", time.perf_counter() - start, "s", "< 40 s")


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


def measure_report_cost(cache: Cache, scratch: Path) -> None:
    """What the report costs beyond the evaluations that it tells of: 200 images, artifacts there, no detections."""
    data, kept = ready.data_paths(cache), scratch / "cache-report-cost"
    arguments = [str(data.checkpoint), str(data.dataset_dir), data.pattern, str(data.annotations), str(kept)]
    bare = [sys.executable, "-c", _EVALUATE, *arguments]
    output = scratch / "report-cost"
    full = [*_report_command(data, kept, output), "--history", str(output / "history.jsonl")]
    # A script that crashes ends with the status of a gate that fails.
    expected = {"bare": (0,), "full": (0, 1)}
    _timed(bare, expected["bare"])
    ratios, seconds = [], []
    for _ in range(3):
        times = []
        for label, command in (("bare", bare), ("full", full)):
            shutil.rmtree(str(kept / "detections"), ignore_errors=True)
            times.append(_timed(command, expected[label]))
        ratios.append(times[1] / times[0])
        seconds.append(json.loads((output / "report.json").read_text())["run"]["seconds"])
        print(f"evaluation {times[0]:.1f} s, full report {times[1]:.1f} s")
    steps = {name: statistics.median(of_run[name] for of_run in seconds) for name in seconds[0]}
    print("steps of the report: " + ", ".join(f"{name} {value:.2f} s" for name, value in steps.items()))
    _print("full report / evaluation alone, 200 images", statistics.median(ratios), "", "<= 1.5")


def _timed(command: List[str], expected: Sequence[int] = (0, 1)) -> float:
    """Run a command that measures, whatever its verdicts; give the time that it took."""
    start = time.perf_counter()
    status = subprocess.run(command, cwd=str(options.ROOT), stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL).returncode
    if status not in expected:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return time.perf_counter() - start


def measure_why(cache: Cache, scratch: Path) -> None:
    """What each quantizer of the full-size network does to its outputs, on 16 images."""
    model, data = _demo_card(), ready.data_paths(cache)
    built = build.build(model, _full_size_checkpoint(scratch / "full-size-why"), _shards(data),
                            Cache(scratch / "cache-why"))
    network = QuantizedGraph(built.graph(FLOAT), model.graph, built.quantization)
    pictures = images.read_images(_shards(data), explanation.IMAGES, model.height, model.width)
    start = time.perf_counter()
    with noise.listening(network) as listener:
        found = sensitivity.measure(listener, pictures, lambda index: scratch / "why" / f"{index}.npz")
    _print(f"sensitivity of {len(found.quantizers)} quantizers of the full-size network, {found.images} images",
           time.perf_counter() - start, "s", "< 180 s")


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
        _print(f"suite, {label} / -n 2 with one thread each",
               statistics.median(a / b for a, b in zip(times[label], times["-n 2"])), "", "> 1")


def measure_executors(cache: Cache, scratch: Path) -> None:
    """Images a second of two processes against one, one thread each: without their start and without their end."""
    data, model = ready.data_paths(cache, count=500), _demo_card()
    built = build.build(model, data.checkpoint, _shards(data), cache)
    runs = [detection.Run(variant) for variant in (FLOAT, QUANTIZED)]
    told = worker.of_artifacts(built, model, runs, options.DEFAULT_BATCH_SIZE, {})
    ratios: List[float] = []
    for _ in range(3):
        rates = {jobs: _steady_rate(ProcessExecutor(jobs, jobs, None), told, 2 * _shards(data), jobs)
                 for jobs in (1, 2)}
        print("processes with one thread each, float and quantized: "
              + ", ".join(f"--jobs {jobs} {rate:.1f} images/s" for jobs, rate in rates.items()))
        ratios.append(rates[2] / rates[1])
    _print("executor processes, --jobs 2 / --jobs 1, steady state", statistics.median(ratios), "", ">= 1.8")


def _steady_rate(executor: Executor, told: Assignment, shards: List[Shard], jobs: int) -> float:
    """Images a second between the first shard of the last worker to start, and the last shard that keeps all busy."""
    work = [detection.Work(shard, told.runs) for shard in shards]
    ends: List[Tuple[float, int]] = []
    executor.detect(Workload(told, work, len(work), sum(shard.records for shard in shards),
                             lambda item, _: ends.append((time.perf_counter(), item.shard.records))),
                    lambda retry: None)
    steady = ends[2 * jobs:len(ends) - jobs + 1]
    return sum(images for _, images in steady[1:]) / (steady[-1][0] - steady[0][0])


def _suite(command: List[str], *more: str) -> float:
    """Run the gate suite, whatever its verdicts; give the time that it took."""
    return _timed([*command, *more])


def measure_bootstrap(cache: Cache, scratch: Path) -> None:
    """COCO's 12 figures of 1000 resamples: 200 images and 12 classes, 5000 images and 80 classes."""
    for count, classes, limit in ((200, 12, "< 0.75 s"), (5000, 80, "< 40 s")):
        truth, found = _invented(count, classes)
        matches = matching.match(found, truth)
        weights = bootstrap.draw(count)
        start = time.perf_counter()
        bootstrap.figures(matches, weights)
        _print(f"12 figures of {len(weights)} resamples, {count} images, {classes} classes, 100 detections an image",
               time.perf_counter() - start, "s a variant", limit)
        start = time.perf_counter()
        attribution.image_aps(matches)
        _print(f"AP of each of {count} images", time.perf_counter() - start, "s", "< 2 s")


def _invented(images: int, classes: int) -> Tuple[annotations.Annotations, merge.Merged]:
    """Ground truth, and 100 detections an image: shaken ground truth, doubled at times, and false alarms."""
    random = np.random.RandomState(0)
    share = random.dirichlet(np.full(classes, 0.5))
    things: List[Dict[str, Any]] = []
    rows = []
    for image in range(1, images + 1):
        count = min(random.poisson(7), 50)
        boxes = np.column_stack([random.uniform(0, 400, [count, 2]), np.exp(random.normal(4.2, 1.0, [count, 2]))])
        categories = 1 + random.choice(classes, count, p=share)
        things += [{"id": len(things) + 1 + number, "image_id": image, "category_id": int(category),
                    "bbox": box.tolist(), "area": float(box[2] * box[3])}
                   for number, (box, category) in enumerate(zip(boxes, categories))]
        taken = np.repeat(np.arange(count), random.randint(0, 3, count))
        alarms = 100 - len(taken)
        near = boxes[taken] * random.normal(1.0, 0.06, [len(taken), 4])
        far = np.column_stack([random.uniform(0, 400, [alarms, 2]), np.exp(random.normal(4.2, 1.0, [alarms, 2]))])
        scores = np.concatenate([random.beta(3, 2, len(taken)), random.beta(1, 5, alarms)])
        labels = np.concatenate([categories[taken], 1 + random.choice(classes, alarms, p=share)])
        rows.append(np.column_stack([np.full(100, image), np.concatenate([near, far]), scores, labels]))
    document = {"images": [{"id": image} for image in range(1, images + 1)], "annotations": things,
                "categories": [{"id": 1 + number} for number in range(classes)]}
    truth = annotations.Annotations(Path("invented.json"), document, {item["id"]: item for item in document["images"]},
                                    {item["id"]: f"class {item['id']}" for item in document["categories"]})
    return truth, merge.Merged(np.arange(1, images + 1), merge.Results.from_rows(np.concatenate(rows)))


def measure_scoring(cache: Cache, scratch: Path) -> None:
    """COCO's figures for 500 images with 100 detections each, against pycocotools."""
    truth = annotations.load(ready.data_paths(cache, count=500).annotations)
    image_ids, categories = np.array(sorted(truth.images)), sorted(truth.categories)
    random = np.random.RandomState(0)
    images_of_rows = np.repeat(image_ids, 100)
    boxes = random.uniform(0, 150, [len(images_of_rows), 4])
    scores, labels = random.uniform(size=len(boxes)), random.choice(categories, len(boxes))
    found = merge.Merged(image_ids, merge.Results(images_of_rows, boxes, scores, labels))
    table = np.column_stack([images_of_rows, boxes, scores, labels])
    start = time.perf_counter()
    metrics = coco.score(found, truth)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(truth.path))
        evaluation = COCOeval(known, known.loadRes(table), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    theirs = time.perf_counter() - start
    np.testing.assert_allclose([metrics.figures[name] for name in FIGURES], evaluation.stats, rtol=1e-12)
    _print(f"scoring {len(boxes)} detections, pycocotools ({theirs:.1f} s) / ours ({ours:.2f} s)", theirs / ours, "",
           ">= 10")


def measure_memory(cache: Cache, scratch: Path) -> None:
    """Peak memory of a report at 200 and at 2000 images."""
    peaks = []
    for count in (200, 2000):
        peaks.append(_report(ready.data_paths(cache, count=count), scratch / f"memory-{count}"))
        print(f"peak memory of a report on {count} images: {peaks[-1] / 1024:.0f} MB")
    _print("peak memory, 2000 / 200 images", peaks[1] / peaks[0], "", "<= 1.1")


def _print(what: str, value: float, unit: str, limit: str) -> None:
    print(f"{what}: {value:.2f}{' ' + unit if unit else ''} (wanted {limit})", flush=True)


def _demo_card() -> ModelCard:
    return card.load(options.DEMO_CARD)


def _shards(data: DataPaths) -> List[Shard]:
    return shard_files.find_shards(data.dataset_dir, data.pattern)


def _full_size_checkpoint(folder: Path) -> Path:
    """The demo's network at full width, with random weights and few classes above the background."""
    config = pipeline_config.load(_DEMO_CONFIG)
    config.model.ssd.feature_extractor.depth_multiplier = 1.0
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        checkpoint.build_inference_graph(config)
        # A trained detector is sure of the background nearly everywhere. Without this every box of every class would
        # be a detection, and suppression would be measured on what never happens.
        biases = [variable.assign(variable - 6.0 + 3.0 * tf.random_normal(variable.shape, seed=2))
                  for variable in tf.global_variables() if variable.op.name.endswith("ClassPredictor/biases")]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(biases)
            folder.mkdir(parents=True)
            tf.train.Saver().save(session, str(folder / "model.ckpt"))
    return folder / "model.ckpt"


def _bare_loop(data: DataPaths, shards: List[Shard]) -> float:
    """Images per second of the restored float network alone, on decoded images, with TensorFlow's own defaults."""
    batches = [batch.images for batch in images.stream(shards, options.DEFAULT_BATCH_SIZE, 300, 300)]
    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(f"{data.checkpoint}.meta")
        with tf.Session() as session:
            saver.restore(session, str(data.checkpoint))

            def run(batch: np.ndarray) -> None:
                session.run(["concat:0", "concat_1:0"], {"image_tensor:0": batch})

            run(batches[0])
            start = time.perf_counter()
            for batch in batches:
                run(batch)
            return sum(len(batch) for batch in batches) / (time.perf_counter() - start)


def _evaluation_rate(built: Artifacts, shards: List[Shard], variant: str) -> float:
    """Images per second with decoding, resizing, post-processing and writing."""
    names = _demo_card().graph
    with open_detector(built.graph(variant), names, built.suppression) as detect, \
            tempfile.TemporaryDirectory() as folder:
        detect(np.zeros([options.DEFAULT_BATCH_SIZE, 300, 300, 3], np.uint8), {})
        start = time.perf_counter()
        run = detection.Run(variant)
        detection.detect([detection.Work(shard, [run]) for shard in shards],
                         {variant: lambda batch, _: detect(batch, {})},
                         options.DEFAULT_BATCH_SIZE, (300, 300),
                         lambda work, found: store.save(Path(folder) / f"{work.shard.index}.npz", found[run]))
        return sum(shard.records for shard in shards) / (time.perf_counter() - start)


def _report(data: DataPaths, folder: Path) -> int:
    """Run a cold report in a process of its own; give its peak memory in KB."""
    status, peak = _run_measured(_report_command(data, folder / "cache", folder / "output"))
    if status not in (0, 1):
        raise SystemExit(f"the report ended with status {status}")
    return peak


def _report_command(data: DataPaths, kept: Path, output: Path) -> List[str]:
    """How a report is run on some data, with a cache of its own."""
    return [sys.executable, str(options.ROOT / "tools" / "report.py"), "--model", options.DEMO_CARD,
            "--model-checkpoint", str(data.checkpoint), "--dataset-dir", str(data.dataset_dir),
            "--TFRecord-file-pattern", data.pattern, "--annotation-json-file", str(data.annotations),
            "--cache-dir", str(kept), "--output-dir", str(output)]


def _run_measured(command: List[str]) -> Tuple[int, int]:
    """Run a command under a small parent whose children's peak memory is this command's alone."""
    watcher = ("import resource, subprocess, sys\n"
               "status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
               "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    output = subprocess.run([sys.executable, "-c", watcher, *command], check=True, stdout=subprocess.PIPE).stdout
    status, peak = output.split()[-2:]
    return int(status), int(peak)


if __name__ == "__main__":
    main()
