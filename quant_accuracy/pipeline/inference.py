"""Step 6 for a whole evaluation: every shard through every run, once, whoever runs it.

Several processes may want the same detections. Each claims one free shard after the other, and in the end waits for
those that others have claimed; the shards of one that dies are free again.
"""

import contextlib
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import command_line, files, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import store
from quant_accuracy.detection.run import Run, Speed, Work
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.executors import factory, worker
from quant_accuracy.executors.contract import Retry, Workload
from quant_accuracy.quantization.records import AIMET, BUILTIN
from quant_accuracy.settings.request import Request

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Task:
    """What is run on what, and where results are kept.

    Attributes:
        request: What was asked for.
        artifacts: The graphs.
        shards: The shards to evaluate.
        digests: Of the shards' content, by shard number.
        cache: Where finished shards are kept.
        retried: What had to be run again; grows while shards are run.
    """

    request: Request
    artifacts: Artifacts
    shards: Sequence[Shard]
    digests: Mapping[int, str]
    cache: Cache
    retried: List[Retry] = field(default_factory=list)


class Detected(NamedTuple):
    """The detections of a run.

    Attributes:
        parts: Each shard with its detections.
        speed: Of the images that were run now; None when none were.
    """

    parts: Sequence[Tuple[Shard, ShardDetections]]
    speed: Optional[Speed]


def detect(task: Task, runs: Sequence[Run]) -> Dict[Run, Detected]:
    """The detections of each run on all shards; what the cache holds is not run again.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
        KeyboardInterrupt: The user or the system asked to stop; it says how many shards are finished.
    """
    if task.artifacts.simulator == AIMET and any(run != Run(run.variant) for run in runs):
        raise ConfigurationError("AIMET runs a graph of its own, whose input cannot be scaled and whose quantizers "
                                 "cannot be switched; use --simulate builtin to measure the numerical jitter or to ask "
                                 "why")
    places = _places(task, runs)
    for folder in {path.parent for path in places.values()}:
        files.sweep(folder)
    found: Dict[Path, ShardDetections] = {}
    speeds: Dict[Run, Speed] = {}
    work = _missing(task, places, found)
    if work and len(work) < len(task.shards):
        progress.say(f"{len(task.shards) - len(work)} of {len(task.shards)} shards were finished before; going on with "
                     "the rest")
    try:
        while work:
            for run, speed in _work_at(task, work, places).items():
                speeds[run] = speeds.get(run, Speed(0, 0.0)).plus(speed)
            work = _missing(task, places, found)
    except KeyboardInterrupt as stop:
        left = {index for (_, index), path in places.items() if not path.is_file()}
        raise KeyboardInterrupt(f"{len(task.shards) - len(left)} of {len(task.shards)} shards finished") from stop
    return {run: Detected([(shard, found[places[run, shard.index]]) for shard in task.shards], speeds.get(run))
            for run in runs}


_Places = Mapping[Tuple[Run, int], Path]


def _places(task: Task, runs: Sequence[Run]) -> _Places:
    """Where the detections of each run on each shard are kept: named by everything that they depend on."""
    card, built = task.request.card, task.artifacts
    graphs = {name: files.digest_file(built.graph_file(name)) for name in {run.variant for run in runs}}
    shared = {
        "batch_size": task.request.batch_size,
        "size": [card.height, card.width],
        "preprocessing": images.PREPROCESSING,
        "outside_suppression": built.postprocessing is not None,
        "code": code_digest("data", "detection"),
        "tensorflow": tf.__version__,
    }
    return {(run, shard.index): task.cache.path(f"detections/{run.variant}", {
        **shared,
        "graph": graphs[run.variant],
        "scale": run.scale,
        "off": [run.off, code_digest("quantization")] if run.off else [],
        "simulator": built.simulator if run.variant == QUANTIZED else BUILTIN,
        "shard": task.digests[shard.index],
        "records": shard.records,
    }, ".npz") for run in runs for shard in task.shards}


def _missing(task: Task, places: _Places, found: Dict[Path, ShardDetections]) -> List[Work]:
    """What is still to be done; what is there already is read into `found`."""
    for path in set(places.values()) - set(found):
        if path.is_file():
            try:
                found[path] = store.load(path)
            except StorageError as error:
                progress.say(f"warning: {error}")
                # Out of the way: who claims the shard has to see that it is missing.
                with files.storage_errors(path), contextlib.suppress(FileNotFoundError):
                    path.unlink()
    work = [Work(shard, [run for run, index in places if index == shard.index and places[run, index] not in found])
            for shard in task.shards]
    return [item for item in work if item.runs]


def _work_at(task: Task, work: Sequence[Work], places: _Places) -> Dict[Run, Speed]:
    """Do what is free of the missing work; when nothing is, wait a moment for those who are at it."""
    speeds: Dict[Run, Speed] = {}
    with contextlib.ExitStack() as held:
        locks: Dict[int, contextlib.ExitStack] = {}
        claimed = _claimed(task, work, places, locks, held)
        first = next(claimed, None)
        if first is None:
            time.sleep(_POLL_SECONDS)
            return speeds

        def finished(item: Work, detections: Mapping[Run, ShardDetections]) -> None:
            for run, part in detections.items():
                store.save(places[run, item.shard.index], part)
            locks.pop(item.shard.index).close()
            command_line.stop_if_asked()

        request, runs = task.request, list(dict.fromkeys(run for item in work for run in item.runs))
        told = worker.of_artifacts(task.artifacts, request.card, runs, request.batch_size, task.digests)
        workload = Workload(told, itertools.chain([first], claimed), len(work),
                            sum(item.shard.records for item in work), finished)
        speeds = factory.executor(request.executor, request.threads).detect(workload, task.retried.append)
    return speeds


def _claimed(task: Task, work: Sequence[Work], places: _Places, locks: Dict[int, contextlib.ExitStack],
             held: contextlib.ExitStack) -> Iterator[Work]:
    """Those of the shards that nobody else is at, each held from the moment that it is given."""
    for item in work:
        name = [task.digests[item.shard.index], task.artifacts.float_folder.name]
        lock = task.cache.claim(f"shard-{files.digest_value(name)[:32]}")
        if lock is None:
            continue
        locks[item.shard.index] = stack = held.enter_context(contextlib.ExitStack())
        stack.enter_context(lock)
        # Another may have finished it since it was found missing.
        runs = [run for run in item.runs if not places[run, item.shard.index].is_file()]
        if runs:
            yield Work(item.shard, runs)
        else:
            locks.pop(item.shard.index).close()
