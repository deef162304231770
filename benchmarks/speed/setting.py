"""What measurements share: the demo, a network of full size, commands that are timed, and a line for each result."""

import subprocess
import sys
import time
from pathlib import Path
from typing import List, Sequence

import tensorflow.compat.v1 as tf

from benchmarks.places import ROOT
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.shards import Shard
from quant_accuracy.demo import ready
from quant_accuracy.preparation import inference_graph, pipeline_config
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths, ModelCard

_DEMO_CONFIG = ready.PIPELINE_CONFIG


def show(what: str, value: float, unit: str, limit: str) -> None:
    print(f"{what}: {value:.2f}{' ' + unit if unit else ''} (target {limit})", flush=True)


def demo_card() -> ModelCard:
    return card.load(options.DEMO_CARD)


def shards_of(data: DataPaths) -> List[Shard]:
    return shard_files.find_shards(data.dataset_dir, data.pattern)


def full_size_checkpoint(folder: Path) -> Path:
    """The demo's network at full width, with random weights and few classes above the background."""
    config = pipeline_config.load(_DEMO_CONFIG)
    config.model.ssd.feature_extractor.depth_multiplier = 1.0
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        inference_graph.build(_DEMO_CONFIG, config)
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


def timed(command: List[str], expected: Sequence[int] = (0, 1)) -> float:
    """Run a command that measures, whatever its verdicts; give the time that it took."""
    start = time.perf_counter()
    status = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL).returncode
    if status not in expected:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return time.perf_counter() - start


def report_command(data: DataPaths, kept: Path, output: Path) -> List[str]:
    """How a report is run on some data, with a cache of its own."""
    return [sys.executable, str(ROOT / "tools" / "report.py"), "--model", options.DEMO_CARD,
            "--model-checkpoint", str(data.checkpoint), "--dataset-dir", str(data.dataset_dir),
            "--TFRecord-file-pattern", data.pattern, "--annotation-json-file", str(data.annotations),
            "--cache-dir", str(kept), "--output-dir", str(output)]
