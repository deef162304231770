"""Step 6 for a whole evaluation: every shard through every run, once, whoever runs it.

Several processes may want the same detections. Each claims one free shard after the other, and in the end waits for
those that others have claimed; the shards of one that dies are free again.
"""

import contextlib
import itertools
import time
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from quant_accuracy.base import command_line, files, log_lines, progress
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import DEVICE, QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.detection import store
from quant_accuracy.detection.run import Detected, Run, Speed, Work
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.executors import factory
from quant_accuracy.executors.contract import Workload
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline import assignment as assignments
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization.records import BUILTIN
from quant_accuracy.runtimes import choice

_POLL_SECONDS = 0.1


def detect(prepared: Prepared, runs: Sequence[Run]) -> Dict[Run, Detected]:
    """The detections of each run on all shards; what the cache holds is not run again.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
        KeyboardInterrupt: The user or the system asked to stop; it says how many shards are finished.
    """
    if prepared.artifacts.simulator != BUILTIN and any(run != Run(run.variant) for run in runs):
        raise ConfigurationError("AIMET runs a graph of its own, whose input cannot be scaled and whose quantizers "
                                 "cannot be switched; use --simulate builtin to measure the numerical jitter or to ask "
                                 "why")
    paths = _paths_of(prepared, runs)
    for folder in {path.parent for path in paths.values()}:
        files.sweep(folder)
    found: Dict[Path, ShardDetections] = {}
    speeds: Dict[Run, Speed] = {}
    work, count = _missing(prepared, paths, found), len(prepared.shards)
    if work and len(work) < count:
        progress.say(f"{count - len(work)} of {count} shards were finished before; going on with the rest")
    try:
        while work:
            for run, speed in _work_at(prepared, work, paths).items():
                speeds[run] = speeds.get(run, Speed(0, 0.0)).plus(speed)
            work = _missing(prepared, paths, found)
    except KeyboardInterrupt as stop:
        left = {index for (_, index), path in paths.items() if not path.is_file()}
        raise KeyboardInterrupt(f"{count - len(left)} of {count} shards finished") from stop
    return {run: Detected([(shard, found[paths[run, shard.index]]) for shard in prepared.shards], speeds.get(run))
            for run in runs}


_Paths = Mapping[Tuple[Run, int], Path]


def _paths_of(prepared: Prepared, runs: Sequence[Run]) -> _Paths:
    """Where the detections of each run on each shard are kept: named by everything that they depend on."""
    card, artifacts = prepared.request.card, prepared.artifacts
    graphs = {name: files.digest_file(artifacts.graph_file(name)) for name in {run.variant for run in runs}}
    shared = {
        "batch_size": prepared.request.batch_size,
        "size": [card.height, card.width],
        "preprocessing": images.PREPROCESSING,
        "outside_suppression": artifacts.suppression is not None,
        "code": code_digest("runtimes", "data", "detection"),
        "tensorflow": sessions.version(),
        "runtime": choice.of_name(artifacts.computation.runtime).identity,
    }
    return {(run, shard.index): prepared.cache.path(f"detections/{run.variant}", {
        **shared,
        "graph": graphs[run.variant],
        "scale": run.scale,
        "disabled": [run.disabled, code_digest("quantization")] if run.disabled else [],
        # A backend runs what it has left beside the graph.
        "simulator": BUILTIN if run.variant != QUANTIZED or artifacts.simulator == BUILTIN else
        [artifacts.simulator, artifacts.quantsim_folder.name],
        # The graph is that behind the integer model's outputs.
        **({"device": artifacts.device.folder.name} if run.variant == DEVICE and artifacts.device else {}),
        "shard": prepared.digests[shard.index],
        "records": shard.records,
    }, ".npz") for run in runs for shard in prepared.shards}


def _missing(prepared: Prepared, paths: _Paths, found: Dict[Path, ShardDetections]) -> List[Work]:
    """What is still to be done; what is there already is read into `found`."""
    store.load_kept(paths.values(), found)
    work = [Work(shard, [run for run, index in paths if index == shard.index and paths[run, index] not in found])
            for shard in prepared.shards]
    return [item for item in work if item.runs]


def _work_at(prepared: Prepared, work: Sequence[Work], paths: _Paths) -> Dict[Run, Speed]:
    """Do what is free of the missing work; when nothing is, wait a moment for those who are at it."""
    speeds: Dict[Run, Speed] = {}
    with contextlib.ExitStack() as held:
        locks: Dict[int, contextlib.ExitStack] = {}
        claimed, told = _claimed(prepared, work, paths, locks, held), _Told(work, paths)
        first = next(claimed, None)
        if first is None:
            time.sleep(_POLL_SECONDS)
            return speeds

        def finished(item: Work, detections: Mapping[Run, ShardDetections]) -> None:
            for run, part in detections.items():
                store.save(paths[run, item.shard.index], part)
            locks.pop(item.shard.index).close()
            told.one_more()
            command_line.stop_if_asked()

        request, runs = prepared.request, list(dict.fromkeys(run for item in work for run in item.runs))
        assignment = assignments.of_artifacts(prepared.artifacts, request.card, runs, request.batch_size,
                                              prepared.digests)
        workload = Workload(assignment, itertools.chain([first], claimed), len(work),
                            sum(item.shard.records for item in work), finished)
        speeds = factory.executor(request.executor, request.threads).detect(workload, prepared.retried.append)
    return speeds


class _Told:
    """Says in a log which share of the missing work is done, by this process and by others that share it."""

    def __init__(self, work: Sequence[Work], paths: _Paths) -> None:
        self._work, self._paths = work, paths
        self._activity = log_lines.Activity("detecting", progress.log, "images", sum(item.shard.records
                                                                                     for item in work))
        self._said = 0.0

    def one_more(self) -> None:
        """A shard is finished: a line, though not more than one a second."""
        done = [item for item in self._work if all(self._paths[run, item.shard.index].is_file() for run in item.runs)]
        if self._activity.seconds() - self._said < log_lines.FIRST_SECONDS and len(done) < len(self._work):
            return
        self._said = self._activity.seconds()
        self._activity.done = sum(item.shard.records for item in done)
        progress.log(f"{progress.labelled('detecting')}: {len(done)} of {len(self._work)} shards, "
                     f"{self._activity.state()}")


def _claimed(prepared: Prepared, work: Sequence[Work], paths: _Paths, locks: Dict[int, contextlib.ExitStack],
             held: contextlib.ExitStack) -> Iterator[Work]:
    """Those of the shards that nobody else is at, each held from the moment that it is given."""
    for item in work:
        name = [prepared.digests[item.shard.index], prepared.artifacts.float_folder.name]
        lock = prepared.cache.claim(f"shard-{files.digest_value(name)[:32]}")
        if lock is None:
            continue
        locks[item.shard.index] = stack = held.enter_context(contextlib.ExitStack())
        stack.enter_context(lock)
        # Another may have finished it since it was found missing.
        runs = [run for run in item.runs if not paths[run, item.shard.index].is_file()]
        if runs:
            yield Work(item.shard, runs)
        else:
            locks.pop(item.shard.index).close()
