"""What a worker is told before its first shard: plain values, which travel to another process or another machine."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import DeviceModel
from quant_accuracy.base import concurrency
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import DEVICE, FLOAT, NETWORK, QUANTIZED
from quant_accuracy.detection import run as detection
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.postprocessing import Suppression
from quant_accuracy.detection.run import Detector, Run, Speed, Work
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.device import contract
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import scale
from quant_accuracy.quantization import backends, simulate, switches
from quant_accuracy.quantization.records import BUILTIN, Quantization
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.contract import Runtime
from quant_accuracy.runtimes.execution import Execution
from quant_accuracy.settings.card_fields import ORIGINAL_SIZE


@dataclass(frozen=True)
class Assignment:
    """What is the same for all shards.

    Attributes:
        runs: Every run that a shard may need.
        graphs: Serialized graphs by variant: those that the runs need.
        names: The graphs' inputs and outputs.
        suppression: How to suppress outside of the graph; None to run the graph's own ops.
        quantization: The network's quantizers and encodings.
        simulator: Who runs the quantized network: `builtin`, or a backend.
        simulator_folder: Where the simulation of another lies; None for `builtin`.
        device: The integer model that the device variant runs; None where there is none.
        runtime: Name and version of what computes networks, as `Runtime.identity`.
        table: What preprocessing makes of pixels, as `pixels.table_of`; None to run its ops.
        batch_size: Images per batch.
        size: Height and width that the network takes.
        digests: Of the shards' content, by shard number.
    """

    runs: Sequence[Run]
    graphs: Mapping[str, bytes]
    names: GraphNames
    suppression: Optional[Suppression]
    quantization: Quantization
    simulator: str
    simulator_folder: Optional[Path]
    device: Optional[DeviceModel]
    runtime: str
    table: Optional[Sequence[float]]
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
    runs = [run for run in assignment.runs if run.variant == variant]
    with contextlib.ExitStack() as stack:
        elsewhere = _elsewhere(assignment, variant)
        if elsewhere is not None:
            who, opened = elsewhere
            detect = stack.enter_context(open_detector(assignment.graph(FLOAT), assignment.names,
                                                       assignment.suppression, stack.enter_context(opened),
                                                       f"the float graph behind the outputs of {who}"))
            yield lambda images, run: detect(images, {})
            return
        runtime = choice.of_identity(assignment.runtime)
        # Others than TensorFlow get a graph for each set of quantizers: switches would keep them from joining ops.
        detectors: Dict[Run, Detector] = {}
        for group in [runs] if runtime.whole else _alike(runs):
            detect_as = stack.enter_context(_open_runs(assignment, variant, group, runtime))
            detectors.update((run, detect_as) for run in group)
        yield lambda images, run: detectors[run](images, run)


def _elsewhere(assignment: Assignment,
               variant: str) -> Optional[Tuple[str, ContextManager[Callable[[np.ndarray], List[np.ndarray]]]]]:
    """Who runs a variant's network in place of its graph, and how; None where the graph does."""
    if variant == DEVICE:
        assert assignment.device is not None
        return assignment.device.kind, contract.of(assignment.device.kind).open_network(assignment.device.folder)
    if variant == QUANTIZED and assignment.simulator != BUILTIN:
        assert assignment.simulator_folder is not None
        return assignment.simulator, backends.open_network(assignment.simulator, assignment.simulator_folder,
                                                           assignment.names)
    return None


def _alike(runs: Sequence[Run]) -> List[List[Run]]:
    """Runs that have the same quantizers switched off, together."""
    groups: Dict[Tuple[str, ...], List[Run]] = {}
    for run in runs:
        groups.setdefault(run.disabled, []).append(run)
    return list(groups.values())


@contextlib.contextmanager
def _open_runs(assignment: Assignment, variant: str, runs: Sequence[Run], runtime: Runtime) -> Iterator[Detector]:
    """The detector of some runs of a variant, which share a graph: input scales and switches are fed."""
    names, quantization, starts = assignment.names, assignment.quantization, assignment.names.starting_ops
    switched, scaled = any(run.disabled for run in runs), any(run.scale != 1.0 for run in runs)
    if switched and runtime.whole:
        graph = switches.insert_switches(assignment.graph(NETWORK), quantization)
    elif variant in assignment.graphs:
        graph = assignment.graph(variant)
    else:
        quantization = switches.without(quantization, runs[0].disabled)
        graph = simulate.simulate(assignment.graph(NETWORK), quantization)
    if scaled:
        graph, starts = scale.scale_input(graph, names.starting_ops), scale.scaled(names.starting_ops)
    outputs = names.output_ops if variant == FLOAT else \
        list(map(graph_nodes.op_of, simulate.network_outputs(names.output_ops, quantization)))
    # What is scaled is no longer what the table gives.
    table = None if scaled or assignment.table is None else np.array(assignment.table, np.float32)
    execution = Execution(runtime, starts, outputs, assignment.size != (ORIGINAL_SIZE, ORIGINAL_SIZE), table)
    with open_detector(graph, names, assignment.suppression, label=f"the {variant} graph",
                       execution=execution) as detect:

        def detect_as(images: np.ndarray, run: Run) -> List[Detections]:
            factor = {scale.FACTOR + ":0": np.float32(run.scale)} if scaled else {}
            setting = switches.all_but(quantization, run.disabled) if switched and runtime.whole else {}
            return detect(images, {**factor, **setting})

        yield detect_as


@contextlib.contextmanager
def open_worker(assignment: Assignment, threads: Optional[int]) -> Iterator[Callable[[Work], ShardResult]]:
    """A function that runs one shard after the other on so many cores; its sessions are opened once."""
    with concurrency.limited_to(threads), concurrency.threads_kept(), open_detectors(assignment) as detectors:

        def run(item: Work) -> ShardResult:
            detections: Dict[Run, ShardDetections] = {}
            speeds = detection.detect([item], detectors, assignment.batch_size, assignment.size,
                                      lambda _, of_shard: detections.update(of_shard))
            return ShardResult(detections, speeds)

        yield run
