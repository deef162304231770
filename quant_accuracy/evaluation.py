"""Steps 6 to 9: detect what is missing, merge, score, judge."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import artifacts as artifact_steps
from quant_accuracy import bootstrap, files, gates, matching, progress, scoring
from quant_accuracy.artifacts import FLOAT, QUANTIZED, VARIANTS, Artifacts
from quant_accuracy.cache import Cache
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, run, store
from quant_accuracy.detection.detector import Detector, open_detector
from quant_accuracy.detection.run import Speed, Work
from quant_accuracy.errors import StorageError
from quant_accuracy.graph import load
from quant_accuracy.matching import Matches
from quant_accuracy.metrics import Metrics
from quant_accuracy.quantization import aimet
from quant_accuracy.quantization.records import AIMET, BUILTIN
from quant_accuracy.request import Request


@dataclass(frozen=True)
class Variant:
    """The result of one variant.

    Attributes:
        merged: Its detections on all evaluated images.
        matches: Which of them match which ground truth.
        metrics: COCO's figures.
        speed: Of the images that were run now; None when all detections were there already.
    """

    merged: merge.Merged
    matches: Matches
    metrics: Metrics
    speed: Optional[Speed]


@dataclass(frozen=True)
class Evaluation:
    """Everything that an evaluation found out.

    Attributes:
        request: What was asked for.
        artifacts: What was run.
        shards: The evaluated shards.
        variants: Results by variant, `float` and `quantized`.
        verdicts: What the card's gates say.
        provenance: Digests, versions and settings that the figures depend on.
    """

    request: Request
    artifacts: Artifacts
    shards: Sequence[Shard]
    variants: Mapping[str, Variant]
    verdicts: Sequence[gates.Verdict]
    provenance: Mapping[str, Any]


def evaluate(request: Request, cache: Cache) -> Evaluation:
    """Evaluate the float and the quantized variant; whatever the cache holds is not done again.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
    """
    every_shard = shard_files.find_shards(request.data.dataset_dir, request.data.pattern)
    chosen = shard_files.select(every_shard, request.selection, request.num_examples)
    truth = annotation_files.load(request.data.annotations)
    built = artifact_steps.build(request.card, request.data.checkpoint, every_shard, cache)
    digests = {shard.index: files.digest_file(shard.path) for shard in chosen}
    graphs = {variant: files.digest_file(built.graph_file(variant)) for variant in VARIANTS}
    places = {(variant, shard.index): _place(cache, request, built, variant, graphs[variant], shard,
                                             digests[shard.index])
              for variant in VARIANTS for shard in chosen}
    speeds = _detect_missing(request, built, chosen, places)
    variants = {variant: _score(variant, chosen, places, truth, speeds.get(variant)) for variant in VARIANTS}
    verdicts = gates.judge(request.card.gates, variants[FLOAT].metrics, variants[QUANTIZED].metrics,
                           _samples(variants, chosen, every_shard))
    provenance = {
        "checkpoint": {path.name: files.digest_file(path) for path in load.checkpoint_files(request.data.checkpoint)},
        "annotations": files.digest_file(request.data.annotations),
        "shards": {shard.path.name: digests[shard.index] for shard in chosen},
        "calibration_images": request.card.calibration_images,
        "preprocessing": images.PREPROCESSING,
        "batch_size": request.batch_size,
        "suppression": "outside the graph, verified" if built.postprocessing else "the graph's own",
        "simulator": built.simulator,
        "versions": {"tensorflow": tf.__version__, "numpy": np.__version__},
    }
    return Evaluation(request, built, chosen, variants, verdicts, provenance)


def _place(cache: Cache, request: Request, built: Artifacts, variant: str, graph: str, shard: Shard,
           content: str) -> Path:
    """Where the detections of a shard are kept: named by everything that they depend on."""
    inputs = {
        "graph": graph,
        "shard": content,
        "records": shard.records,
        "batch_size": request.batch_size,
        "size": [request.card.height, request.card.width],
        "preprocessing": images.PREPROCESSING,
        "outside_suppression": built.postprocessing is not None,
        "code": artifact_steps.code_digest("data", "detection"),
        "simulator": built.simulator if variant == QUANTIZED else BUILTIN,
        "tensorflow": tf.__version__,
    }
    return cache.path(f"detections/{variant}", inputs, ".npz")


_Places = Mapping[Tuple[str, int], Path]


def _detect_missing(request: Request, built: Artifacts, chosen: Sequence[Shard], places: _Places) -> Dict[str, Speed]:
    work: List[Work] = []
    for shard in chosen:
        missing = [variant for variant in VARIANTS if not _usable(places[variant, shard.index])]
        if missing:
            work.append(Work(shard, missing))
    needed = [variant for variant in VARIANTS if any(variant in item.variants for item in work)]
    if not work:
        return {}
    done = len(chosen) - len(work)
    if done:
        progress.say(f"{done} of {len(chosen)} shards were finished before; going on with the rest")

    def keep(variant: str, shard: Shard, found: store.ShardDetections) -> None:
        store.save(places[variant, shard.index], found)

    speeds: Dict[str, Speed] = {}
    with contextlib.ExitStack() as stack:
        detectors = {variant: stack.enter_context(_open(variant, request, built)) for variant in needed}
        speeds = run.detect(work, detectors, request.batch_size, (request.card.height, request.card.width), keep)
    return speeds


@contextlib.contextmanager
def _open(variant: str, request: Request, built: Artifacts) -> Iterator[Detector]:
    names = request.card.graph
    with contextlib.ExitStack() as stack:
        if variant == QUANTIZED and built.simulator == AIMET:
            network = stack.enter_context(aimet.open_network(built.quantsim_folder, names))
            yield stack.enter_context(open_detector(built.graph(FLOAT), names, built.postprocessing, built.total,
                                                    network))
        else:
            yield stack.enter_context(open_detector(built.graph(variant), names, built.postprocessing, built.total))


def _usable(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        store.load(path)
    except StorageError as error:
        progress.say(f"warning: {error}")
        return False
    return True


def _score(variant: str, chosen: Sequence[Shard], places: _Places, truth: Annotations,
           speed: Optional[Speed]) -> Variant:
    merged = merge.merge([(shard, store.load(places[variant, shard.index])) for shard in chosen], truth)
    matches = matching.match(merged, truth)
    return Variant(merged, matches, scoring.score_matches(matches, truth, len(merged.results)), speed)


def _samples(variants: Mapping[str, Variant], chosen: Sequence[Shard], every_shard: Sequence[Shard]) -> \
        Optional[gates.Samples]:
    """What other images would have given; None where all images were evaluated and nothing is left to chance."""
    images = sum(shard.records for shard in chosen)
    if images == sum(shard.total for shard in every_shard):
        return None
    weights = bootstrap.draw(images)
    before, after = (bootstrap.mean_aps(variants[name].matches, weights) for name in (FLOAT, QUANTIZED))
    return gates.Samples(before, after, images, len(chosen), len(every_shard) - len(chosen))
