"""The network: artifacts, calibration, detection, and what each quantizer does to it."""

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.speed.setting import demo_card, full_size_checkpoint, shards_of, show
from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.detection import run as detection
from quant_accuracy.detection import store
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement
from quant_accuracy.quantization.records import TF_ENHANCED, Settings
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.why import explanation, noise, sensitivity
from quant_accuracy.why.noise import QuantizedGraph


def measure_artifacts(cache: Cache, scratch: Path) -> None:
    """Artifacts of the full-size network from 50 calibration images."""
    data = replace(ready.data_paths(cache), checkpoint=full_size_checkpoint(scratch / "full-size"))
    times = []
    for attempt in range(3):
        start = time.perf_counter()
        build.build(demo_card(), data.checkpoint, shards_of(data), Cache(scratch / f"cache-{attempt}"))
        times.append(time.perf_counter() - start)
    show("artifacts of the full-size network, 50 calibration images", statistics.median(times), "s", "< 15 s")


def measure_calibration(cache: Cache, scratch: Path) -> None:
    """Histogram calibration of the full-size network, 50 images."""
    model = demo_card()
    names, settings = model.graph, Settings(TF_ENHANCED)
    graph = load.load_frozen(full_size_checkpoint(scratch / "full-size-calibration"), names.output_ops)
    folded = fold.fold_batch_norms(Network.of(graph, names)).graph
    quantizers = placement.place_quantizers(Network.of(folded, names), settings)
    shards = shards_of(ready.data_paths(cache))
    start = time.perf_counter()
    batches = images.read_images(shards, 50, model.height, model.width)
    calibrate.calibrate(folded, quantizers, settings, names.image_input, batches)
    show("calibration tf_enhanced of the full-size network, 50 images", time.perf_counter() - start, "s", "< 60 s")


def measure_throughput(cache: Cache, scratch: Path) -> None:
    """Evaluation with everything against a bare session.run loop over the float network."""
    demo = ready.data_paths(cache)
    full_size = replace(demo, checkpoint=full_size_checkpoint(scratch / "full-size-throughput"))
    for label, data in (("full-size network", full_size), ("demo network (0.35)", demo)):
        built = build.build(demo_card(), data.checkpoint, shards_of(data), Cache(scratch / "cache-throughput"))
        shards = shards_of(data)
        rates: Dict[str, List[float]] = {"bare": [], FLOAT: [], QUANTIZED: []}
        for _ in range(3):
            rates["bare"].append(_bare_loop(data, shards))
            for variant in (FLOAT, QUANTIZED):
                rates[variant].append(_evaluation_rate(built, shards, variant))
        print(f"{label}: bare session.run loop {statistics.median(rates['bare']):.1f} images/s")
        for variant in (FLOAT, QUANTIZED):
            ratio = statistics.median(a / b for a, b in zip(rates[variant], rates["bare"]))
            show(f"{label}: {variant} evaluation / bare loop ({statistics.median(rates[variant]):.1f} images/s)",
                   ratio, "", ">= 0.9")
        show(f"{label}: quantized / float evaluation",
               statistics.median(a / b for a, b in zip(rates[QUANTIZED], rates[FLOAT])), "", ">= 0.85")


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
    names = demo_card().graph
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


def measure_why(cache: Cache, scratch: Path) -> None:
    """What each quantizer of the full-size network does to its outputs, on 16 images."""
    model, data = demo_card(), ready.data_paths(cache)
    built = build.build(model, full_size_checkpoint(scratch / "full-size-why"), shards_of(data),
                            Cache(scratch / "cache-why"))
    network = QuantizedGraph(built.graph(FLOAT), model.graph, built.quantization)
    pictures = images.read_images(shards_of(data), explanation.IMAGES, model.height, model.width)
    start = time.perf_counter()
    with noise.listening(network) as listener:
        found = sensitivity.measure(listener, pictures, lambda index: scratch / "why" / f"{index}.npz")
    show(f"sensitivity of {len(found.quantizers)} quantizers of the full-size network, {found.images} images",
           time.perf_counter() - start, "s", "< 180 s")
