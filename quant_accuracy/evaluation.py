"""The whole way from a request to verdicts, for both variants."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import artifacts as artifact_steps
from quant_accuracy import files, inference
from quant_accuracy.artifacts import FLOAT, QUANTIZED, VARIANTS, Artifacts
from quant_accuracy.cache import Cache
from quant_accuracy.card import ENCODINGS_DRIFT, Gate
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge
from quant_accuracy.detection.run import Run, Speed
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.graph import load
from quant_accuracy.inference import Detected, Task
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import Figures, Samples, Verdict
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.records import Override
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.request import Request
from quant_accuracy.scoring import bootstrap, coco, matching
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.stopwatch import Stopwatch

_DRIFT = Gate(ENCODINGS_DRIFT, 0.01)


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before an image is evaluated.

    Attributes:
        task: What is run on what.
        every_shard: All shards of the data set, evaluated or not.
        truth: The annotations.
        watch: Measures the steps of this evaluation.
    """

    task: Task
    every_shard: Sequence[Shard]
    truth: Annotations
    watch: Stopwatch

    def whole(self) -> bool:
        """Whether all images of the data set are evaluated."""
        return sum(s.records for s in self.task.shards) == sum(s.total for s in self.every_shard)

    def expected_images(self) -> List[int]:
        """The image ids that should be evaluated: all of the annotations, or those of the selected records.

        Raises:
            DataError: A record is damaged.
        """
        if self.whole() and not self.task.request.card.part_of_annotations:
            return list(self.truth.images)
        return [image for shard in self.task.shards for image in images.read_ids(shard)]

    def baseline_folder(self) -> Path:
        """Where the baseline of the model lies."""
        return self.task.request.baselines / self.task.request.card.name

    def snapshot(self) -> List[Placed]:
        """The quantizers with their ranges."""
        return snapshot.take(self.task.artifacts.quantizers, self.task.artifacts.encodings)

    def placement_changes(self) -> List[str]:
        """How the quantizers differ from those of the baseline; where there is none, what to do.

        Raises:
            ConfigurationError: The baseline is damaged.
        """
        before = baselines.read_quantizers(self.baseline_folder())
        if before is None:
            return [f"there is no snapshot; {baselines.remedy(self.task.request.card.name)}"]
        return snapshot.differences(before, self.snapshot())

    def drift(self) -> Verdict:
        """The verdict on the encodings.

        Raises:
            ConfigurationError: The baseline is damaged.
        """
        card = self.task.request.card
        gate = next((gate for gate in card.gates if gate.name == ENCODINGS_DRIFT), _DRIFT)
        return gates.judge_drift(gate, baselines.read_quantizers(self.baseline_folder()), self.snapshot(), card.name)


@dataclass(frozen=True)
class Variant:
    """The result of one variant.

    Attributes:
        merged: Its detections on all evaluated images.
        parts: Each evaluated shard with its detections; a record's image is at the record's position.
        matches: Which of them match which ground truth.
        metrics: COCO's figures.
        speed: Of the images that this process ran; None when all detections were there already.
    """

    merged: merge.Merged
    parts: Sequence[Tuple[Shard, ShardDetections]]
    matches: Matches
    metrics: Metrics
    speed: Optional[Speed]


@dataclass(frozen=True)
class Evaluation:
    """Everything that an evaluation found out.

    Attributes:
        prepared: What was evaluated.
        variants: Results by variant, `float` and `quantized`.
        figures: What the gates judged by.
        verdicts: What the card's gates say.
        aps: What `bootstrap.threshold_aps` made of each variant and of what `draw` gives; None where all images were
            evaluated, and the gates needed no resamples.
    """

    prepared: Prepared
    variants: Mapping[str, Variant]
    figures: Figures
    verdicts: Sequence[Verdict]
    aps: Optional[Mapping[str, np.ndarray]]

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.prepared.task.request

    @property
    def artifacts(self) -> Artifacts:
        """What was run."""
        return self.prepared.task.artifacts

    @property
    def shards(self) -> Sequence[Shard]:
        """The evaluated shards."""
        return self.prepared.task.shards


def evaluate(request: Request, cache: Cache) -> Evaluation:
    """Evaluate the float and the quantized variant; whatever the cache holds is not done again.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
    """
    prepared = prepare(request, cache)
    return conclude(prepared, detect(prepared))


def prepare(request: Request, cache: Cache) -> Prepared:
    """Find data and checkpoint, and make the artifacts.

    Raises:
        QuantAccuracyError: Something is missing or damaged.
    """
    watch = Stopwatch()
    with watch.step("prepare"):
        every_shard = shard_files.find_shards(request.data.dataset_dir, request.data.pattern)
        chosen = shard_files.select(every_shard, request.selection, request.num_examples, request.shard_count)
        truth = annotation_files.load(request.data.annotations)
        built = artifact_steps.build(request.card, request.data.checkpoint, every_shard, cache,
                                     request.trusted)
        digests = {shard.index: files.digest_file(shard.path) for shard in chosen}
    return Prepared(Task(request, built, chosen, digests, cache), every_shard, truth, watch)


def detect(prepared: Prepared) -> Dict[str, Detected]:
    """The detections of both variants, by variant.

    Raises:
        QuantAccuracyError: An image or a shard is damaged.
    """
    runs = {variant: Run(variant) for variant in VARIANTS}
    with prepared.watch.step("detect"):
        found = inference.detect(prepared.task, list(runs.values()))
    return {variant: found[run] for variant, run in runs.items()}


def conclude(prepared: Prepared, detected: Mapping[str, Detected]) -> Evaluation:
    """Merge, score and judge.

    Raises:
        QuantAccuracyError: A shard or an image is missing or there twice, or there is nothing to judge by.
    """
    watch = prepared.watch
    with watch.step("score"):
        variants = {name: _score(prepared, found) for name, found in detected.items()}
    request = prepared.task.request
    moves: Optional[Jitter] = None
    if request.jitter:
        with watch.step("jitter"):
            moves = measure_jitter(prepared)
    with watch.step("judge"):
        committed = baselines.read(prepared.baseline_folder())
        if committed is not None and prepared.whole() and not request.jitter:
            # The baseline's jitter is that of the whole data set; fewer images move more.
            moves = committed.jitter
        aps = _resampled(prepared, variants)
        figures = Figures(variants[FLOAT].metrics, variants[QUANTIZED].metrics, _samples(prepared, aps),
                          _maps_of_whole_shards(prepared, detected, variants), committed, moves, _provenance(prepared),
                          request.card.name)
        verdicts = gates.judge(request.card.gates, figures)
        if any(gate.name == ENCODINGS_DRIFT for gate in request.card.gates):
            verdicts.append(prepared.drift())
    return Evaluation(prepared, variants, figures, verdicts, aps)


def draw(prepared: Prepared) -> np.ndarray:
    """The resamples of the evaluated images, the same every time: int32 [r, n]; see `bootstrap.draw`."""
    return bootstrap.draw(sum(shard.records for shard in prepared.task.shards))


def measure_jitter(prepared: Prepared) -> Jitter:
    """Evaluate both variants under each of `jitter.SCALES`.

    Raises:
        ConfigurationError: AIMET runs the network.
    """
    runs = {variant: [Run(variant, scale) for scale in jitter.SCALES] for variant in VARIANTS}
    found = inference.detect(prepared.task, [run for both in zip(*runs.values()) for run in both])
    metrics: Dict[str, List[Metrics]] = {variant: [] for variant in VARIANTS}
    shards: Dict[str, List[jitter.ShardMaps]] = {variant: [] for variant in VARIANTS}
    for variant, of_variant in runs.items():
        for run in of_variant:
            scored = _score(prepared, found[run])
            metrics[variant].append(scored.metrics)
            shards[variant].append(_shard_maps(found[run], scored.matches))
    return jitter.collect(metrics[FLOAT], metrics[QUANTIZED], shards[FLOAT], shards[QUANTIZED])


def measure_without(prepared: Prepared, off: Sequence[str]) -> Variant:
    """The quantized variant with the quantizers on these tensors switched off.

    Raises:
        ConfigurationError: AIMET runs the network.
        GraphError: There is no enabled quantizer on one of the tensors.
    """
    run = Run(QUANTIZED, off=tuple(sorted(off)))
    return _score(prepared, inference.detect(prepared.task, [run])[run])


def measure_overridden(prepared: Prepared, overrides: Sequence[Override]) -> Variant:
    """The quantized variant of a model card that has more overrides: placed, calibrated and evaluated anew.

    Raises:
        ConfigurationError: The card allows no such overrides.
        QuantAccuracyError: Something could not be measured.
    """
    task = prepared.task
    settings, every = task.request.card.quantization, prepared.every_shard
    card = replace(task.request.card, quantization=replace(settings, overrides=(*settings.overrides, *overrides)))
    request = replace(task.request, card=card)
    built = artifact_steps.build(card, request.data.checkpoint, every, task.cache, request.trusted)
    run = Run(QUANTIZED)
    return _score(prepared, inference.detect(replace(task, request=request, artifacts=built), [run])[run])


def write_baseline(evaluation: Evaluation) -> List[Path]:
    """Make an evaluation of the whole data set, with its jitter, the baseline of its model; say which files."""
    figures = evaluation.figures
    assert figures.jitter is not None
    found = Baseline({name: variant.metrics for name, variant in evaluation.variants.items()}, figures.jitter,
                     figures.provenance)
    return baselines.write(evaluation.prepared.baseline_folder(), evaluation.request.card.name, found,
                           evaluation.prepared.snapshot())


def _score(prepared: Prepared, detected: Detected) -> Variant:
    merged = merge.merge(detected.parts, prepared.truth)
    matches = matching.match(merged, prepared.truth)
    return Variant(merged, detected.parts, matches, coco.score_matches(matches, prepared.truth, len(merged.results)),
                   detected.speed)


def _shard_maps(detected: Detected, matches: Matches) -> Dict[str, float]:
    """The mAP of each shard on its own, by file name; of those that have ground truth."""
    parts = list(detected.parts)
    weights = np.stack([np.isin(matches.image_ids, part.image_ids) for _, part in parts]).astype(np.int32)
    found = bootstrap.mean_aps(matches, weights)
    return {shard.path.name: float(value) for (shard, _), value in zip(parts, found) if not np.isnan(value)}


def _maps_of_whole_shards(prepared: Prepared, detected: Mapping[str, Detected],
                          variants: Mapping[str, Variant]) -> Optional[Dict[str, Dict[str, float]]]:
    if any(shard.records < shard.total for shard in prepared.task.shards):
        return None
    return {figure: _shard_maps(detected[name], variants[name].matches)
            for figure, name in ((jitter.FLOAT_MAP, FLOAT), (jitter.QUANTIZED_MAP, QUANTIZED))}


def _provenance(prepared: Prepared) -> Dict[str, Any]:
    task = prepared.task
    request, built = task.request, task.artifacts
    place, settings = built.postprocessing, request.card.quantization
    return {
        "checkpoint": {path.name: files.digest_file(path) for path in load.checkpoint_files(request.data.checkpoint)},
        "data": {
            "annotations": files.digest_file(request.data.annotations),
            "shards": {shard.path.name: task.digests[shard.index] for shard in task.shards},
            "preprocessing": images.PREPROCESSING,
        },
        "quantization": {
            "scheme": settings.scheme,
            "param_bitwidth": settings.param_bitwidth,
            "output_bitwidth": settings.output_bitwidth,
            "configuration": files.digest_value(asdict(settings.configuration)),
            "overrides": {override.tensors: asdict(override) for override in settings.overrides},
            "encodings_file": settings.encodings_file and files.digest_file(settings.encodings_file),
            "calibration_images": request.card.calibration_images,
            "simulator": built.simulator,
        },
        "detection": {
            "batch_size": request.batch_size,
            "suppression": "outside the graph, verified" if place else "the graph's own",
            "score_threshold": place and place.score_threshold,
            "iou_threshold": place and place.iou_threshold,
        },
        "versions": {"tensorflow": tf.__version__, "numpy": np.__version__},
    }


def _resampled(prepared: Prepared, variants: Mapping[str, Variant]) -> Optional[Dict[str, np.ndarray]]:
    """The APs of each resample by variant; None where all images were evaluated and nothing is left to chance."""
    if prepared.whole():
        return None
    weights = draw(prepared)
    return {name: bootstrap.threshold_aps(variant.matches, weights) for name, variant in variants.items()}


def _samples(prepared: Prepared, aps: Optional[Mapping[str, np.ndarray]]) -> Optional[Samples]:
    """What other images would have given."""
    if aps is None:
        return None
    chosen = prepared.task.shards
    before, after = (bootstrap.mean_over_thresholds(aps[name]) for name in VARIANTS)
    return Samples(before, after, sum(shard.records for shard in chosen), len(chosen),
                   len(prepared.every_shard) - len(chosen))
