"""What a worker is told before its first shard: plain values, which travel to another process or another machine."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.detection import run as detection
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.postprocessing import Suppression
from quant_accuracy.detection.run import Detector, Run, Speed, Work
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.graph import scale
from quant_accuracy.quantization import backends, switches
from quant_accuracy.quantization.records import Quantization


@dataclass(frozen=True)
class Assignment:
    """What is the same for all shards.

    Attributes:
        runs: Every run that a shard may need.
        graphs: Serialized graphs by variant: those that the runs need.
        names: The graphs' inputs and outputs.
        suppression: How to suppress outside of the graph; None to run the graph's own ops.
        quantization: The network's quantizers and encodings.
        aimet_folder: Where AIMET's simulation lies when AIMET runs the quantized network.
        batch_size: Images per batch.
        size: Height and width that the network takes.
        digests: Of the shards' content, by shard number.
    """

    runs: Sequence[Run]
    graphs: Mapping[str, bytes]
    names: GraphNames
    suppression: Optional[Suppression]
    quantization: Quantization
    aimet_folder: Optional[Path]
    batch_size: int
    size: Tuple[int, int]
    digests: Mapping[int, str]

    def graph(self, variant: str) -> tf.GraphDef:
        """A variant's graph."""
        return tf.GraphDef.FromString(self.graphs[variant])


class ShardResult(NamedTuple):
    """What a worker has of a shard.

    Attributes:
        detections: Those of each run.
        speeds: How fast each run was, on the worker's own cores.
    """

    detections: Mapping[Run, ShardDetections]
    speeds: Mapping[Run, Speed]


@contextlib.contextmanager
def open_detectors(assignment: Assignment) -> Iterator[Dict[str, Detector]]:
    """The detector of each variant, for all of its runs: they share one graph and one session."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(_open(assignment, name)) for name in
               sorted({run.variant for run in assignment.runs})}


@contextlib.contextmanager
def _open(assignment: Assignment, variant: str) -> Iterator[Detector]:
    runs, names = [run for run in assignment.runs if run.variant == variant], assignment.names
    with contextlib.ExitStack() as stack:
        if variant == QUANTIZED and assignment.aimet_folder is not None:
            network = stack.enter_context(backends.open_network(assignment.aimet_folder, names))
            detect = stack.enter_context(open_detector(assignment.graph(FLOAT), names, assignment.suppression, network,
                                                       "the float graph behind AIMET's outputs"))
            yield lambda images, run: detect(images, {})
            return
        switched, scaled = any(run.disabled for run in runs), any(run.scale != 1.0 for run in runs)
        graph = switches.insert_switches(assignment.graph(FLOAT), assignment.quantization) if switched \
            else assignment.graph(variant)
        if scaled:
            graph = scale.scale_input(graph, names.starting_ops)
        detect = stack.enter_context(open_detector(graph, names, assignment.suppression, label=f"the {variant} graph"))

        def detect_as(images: np.ndarray, run: Run) -> List[Detections]:
            factor = {scale.FACTOR + ":0": np.float32(run.scale)} if scaled else {}
            setting = switches.all_but(assignment.quantization, run.disabled) if switched else {}
            return detect(images, {**factor, **setting})

        yield detect_as


@contextlib.contextmanager
def open_worker(assignment: Assignment, threads: Optional[int]) -> Iterator[Callable[[Work], ShardResult]]:
    """A function that runs one shard after the other on so many cores; its sessions are opened once."""
    with concurrency.limited_to(threads), open_detectors(assignment) as detectors:

        def run(item: Work) -> ShardResult:
            detections: Dict[Run, ShardDetections] = {}
            speeds = detection.detect([item], detectors, assignment.batch_size, assignment.size,
                                      lambda _, of_shard: detections.update(of_shard))
            return ShardResult(detections, speeds)

        yield run
