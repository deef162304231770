"""The whole way from a request to verdicts, for both variants."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.base.stopwatch import Stopwatch
from quant_accuracy.base.words import FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge
from quant_accuracy.detection.run import Run, Speed
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.graph import load
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import checks, gates, jitter, known_failures
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.checks import Committed, Network
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import Classes, Figures, Part, Verdict
from quant_accuracy.pipeline import inference
from quant_accuracy.pipeline.inference import Detected, Task
from quant_accuracy.quantization import effects, snapshot
from quant_accuracy.quantization.records import Override
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.scoring import bootstrap, coco, matching, numbering
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE
from quant_accuracy.settings.request import Request

# Where the provenance has which images calibrated.
_CALIBRATION_KEY = "calibration_shards"


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before an image is evaluated.

    Attributes:
        task: What is run on what.
        every_shard: All shards of the data set that are there, evaluated or not, those too that the pattern leaves
            out.
        truth: The annotations.
        watch: Measures the steps of this evaluation.
    """

    task: Task
    every_shard: Sequence[Shard]
    truth: Annotations
    watch: Stopwatch

    def whole(self) -> bool:
        """Whether all images of the data set are evaluated."""
        complete = self.task.request.card.part_of_annotations or shard_files.is_whole(self.every_shard)
        return complete and sum(s.records for s in self.task.shards) == sum(s.total for s in self.every_shard)

    def share(self) -> float:
        """Which share of the images of the data set is evaluated, at most 1."""
        total = sum(shard.total for shard in self.every_shard)
        if not (self.task.request.card.part_of_annotations or shard_files.is_whole(self.every_shard)):
            # The pattern leaves shards out, and only the annotations say how much is in them.
            total = max(total, len(self.truth.images))
        return sum(shard.records for shard in self.task.shards) / total

    def other_shards(self) -> int:
        """How many shards of the data set are not evaluated, as far as names tell."""
        sizes = [shard.set_size for shard in self.every_shard if shard.set_size is not None]
        return max([len(self.every_shard), *sizes]) - len(self.task.shards)

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

    def network(self) -> Network:
        """The quantized network, with what the card expects of it."""
        card, built = self.task.request.card, self.task.artifacts
        return Network(built.quantizers, built.encodings, card.graph, card.assumptions)

    def checks(self) -> List[Verdict]:
        """What the checks of the quantized network say; that of the images is `coverage`.

        Raises:
            ConfigurationError: The baseline is damaged.
        """
        built, network = self.task.artifacts, self.network()
        on = [quantizer for quantizer in network.quantizers if quantizer.enabled]
        before, after = self._committed(), self.snapshot()
        limit = next((gate.limit for gate in self.task.request.card.gates if gate.name == ENCODINGS_DRIFT), None)
        found = [
            checks.of_folding(built.batch_norms, {item.batch_norm: item.reason for item in built.left_out}),
            *checks.of_placement(network),
            checks.of_snapshot(before, after),
            checks.of_bitwidths(on, network),
            checks.of_encodings(on, network),
            checks.of_drift(checks.DRIFT_LIMIT if limit is None else limit, before, after),
        ]
        # A snapshot that is missing is no known failure of the model.
        missing = (checks.SNAPSHOT, ENCODINGS_DRIFT) if before.quantizers is None else ()
        return [verdict if verdict.gate in missing else self._with_known_failure(verdict) for verdict in found]

    def _with_known_failure(self, verdict: Verdict) -> Verdict:
        return known_failures.apply(verdict, self.task.request.card.known_failures().get(verdict.gate))

    def coverage(self, detected: Mapping[str, Detected]) -> Verdict:
        """What the check says of the evaluated images.

        Raises:
            DataError: A record is damaged.
        """
        return self._with_known_failure(checks.of_coverage(self.expected_images(), {
            variant: [image for _, part in found.parts for image in part.image_ids.tolist()]
            for variant, found in detected.items()}))

    def notes(self) -> List[str]:
        """What is worth a line and no verdict: what was asked for and changes nothing."""
        request, built = self.task.request, self.task.artifacts
        return effects.without_effect(lambda: built.graph(FLOAT), request.card.graph, request.card.quantization,
                                      request.changes)

    def _committed(self) -> Committed:
        """The snapshot; without any file of a baseline, only a card that compares with one misses it."""
        card, folder = self.task.request.card, self.baseline_folder()
        asked = any(gate.name in (*OF_BASELINE, ENCODINGS_DRIFT) for gate in card.gates)
        typed = self.task.request.again()
        figures = baselines.read(folder, typed)
        known = {} if figures is None else figures.provenance.get("quantization", {})
        return Committed(baselines.read_quantizers(folder, typed), asked or folder.exists(), baselines.remedy(typed),
                         known.get(_CALIBRATION_KEY) not in (None, _calibration_digest(self)))


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
        verdicts: What the card's gates say, and then the checks.
        aps: What `bootstrap.threshold_aps` made of each variant and of what `draw` gives; None where all images were
            evaluated, and the gates needed no resamples.
        notes: What is worth a line and no verdict.
    """

    prepared: Prepared
    variants: Mapping[str, Variant]
    figures: Figures
    verdicts: Sequence[Verdict]
    aps: Optional[Mapping[str, np.ndarray]]
    notes: Sequence[str] = ()

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
        folder, pattern = request.data.dataset_dir, request.data.pattern
        found = shard_files.find_shards(folder, pattern)
        chosen = shard_files.select(found, request.selection, request.num_examples, request.shard_count)
        # A card that leaves images out on purpose has the data set that its pattern names.
        on_purpose = request.card.part_of_annotations
        every_shard = found if on_purpose else shard_files.whole_set(folder, pattern, found)
        size = every_shard[0].set_size
        if size is not None and len(found) < size and not on_purpose:
            progress.say(f"{pattern} takes {len(found)} of the {size} shards of the data set: figures are those of a "
                         "part")
        truth = annotation_files.load(request.data.annotations)
        built = build.build(request.card, request.data.checkpoint, every_shard, cache,
                                     request.trusted, request.batch_size)
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
        QuantAccuracyError: A shard or an image is missing or there twice, annotations and model number categories
            differently, or there is nothing to judge by.
    """
    watch = prepared.watch
    with watch.step("score"):
        variants = {name: _score(prepared, found) for name, found in detected.items()}
        swapped = _check_numbering(variants[FLOAT].merged, prepared.truth)
    request = prepared.task.request
    moves: Optional[Jitter] = None
    if request.jitter:
        with watch.step("jitter"):
            moves = measure_jitter(prepared)
    with watch.step("judge"):
        committed = baselines.read(prepared.baseline_folder(), request.again())
        if committed is not None and prepared.whole() and not request.jitter:
            # The baseline's jitter is that of the whole data set; fewer images move more.
            moves = committed.jitter
        aps = _resampled(prepared, variants)
        classes, part = _certainty(prepared, variants, aps)
        figures = Figures(variants[FLOAT].metrics, variants[QUANTIZED].metrics, classes, part,
                          _maps_of_whole_shards(prepared, detected, variants), committed, moves, _provenance(prepared),
                          request.again())
        verdicts = [*gates.judge(request.card.gates, figures), *prepared.checks(), prepared.coverage(detected)]
        notes = [*prepared.notes(), *swapped, *_unknown_categories(prepared, variants)]
    return Evaluation(prepared, variants, figures, verdicts, aps, notes)


def _unknown_categories(prepared: Prepared, variants: Mapping[str, Variant]) -> List[str]:
    """A line for each variant that detects categories of which the annotations know nothing."""
    lines = []
    for name, variant in variants.items():
        unknown = numbering.unknown_categories(variant.merged.results, prepared.truth)
        if unknown:
            lines.append(f"{name}: {numbering.unknown_line(unknown, len(variant.merged.results))}")
    return lines


def draw(prepared: Prepared) -> np.ndarray:
    """The resamples of the evaluated images, the same every time: int32 [r, n]; see `bootstrap.draw`."""
    return bootstrap.draw(sum(shard.records for shard in prepared.task.shards))


def class_images(prepared: Prepared, matches: Matches) -> np.ndarray:
    """How many images of the whole data set show each category in each of `matching.AREAS`: int64 [c, area]."""
    if prepared.whole():
        # The annotations may hold images that the data set leaves out on purpose.
        return np.stack([matches.class_images(area) for area in range(len(matching.AREAS))], axis=1)
    return matching.class_images(prepared.truth)


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
            shards[variant].append(_shard_maps(found[run], scored.matches, prepared.task.digests))
    return jitter.collect(metrics[FLOAT], metrics[QUANTIZED], shards[FLOAT], shards[QUANTIZED])


def quantized_shard_maps(prepared: Prepared, scales: Sequence[float]) -> List[Dict[str, float]]:
    """The quantized mAP of each shard on its own, by the shard's digest, with the network's input scaled.

    Raises:
        ConfigurationError: AIMET runs the network.
    """
    runs = [Run(QUANTIZED, scale) for scale in scales]
    found = inference.detect(prepared.task, runs)
    return [_shard_maps(found[run], _score(prepared, found[run]).matches, prepared.task.digests) for run in runs]


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
    built = build.build(card, request.data.checkpoint, every, task.cache, request.trusted,
                                 request.batch_size)
    run = Run(QUANTIZED)
    return _score(prepared, inference.detect(replace(task, request=request, artifacts=built), [run])[run])


def write_baseline(evaluation: Evaluation) -> List[Path]:
    """Make an evaluation of the whole data set, with its jitter, the baseline of its model; say which files.

    Raises:
        ConfigurationError: Only a part was evaluated.
    """
    prepared = evaluation.prepared
    if not prepared.whole():
        # Options that ask for a part are refused before; a pattern may do so too.
        every = prepared.every_shard[0].set_size or len(prepared.every_shard)
        raise ConfigurationError(f"a baseline is made of the whole data set, and {len(evaluation.shards)} of its "
                                 f"{every} shards were evaluated; let --TFRecord-file-pattern take all of them")
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


def _check_numbering(merged: merge.Merged, truth: Annotations) -> List[str]:
    """A line for each pair of categories that look swapped.

    Of the float variant: what quantization does to classes is for the gates to judge.
    """
    found = numbering.compare(merged, truth)
    if found.differs():
        raise DataError(f"{truth.path}: numbers categories differently from the model: {found.line(truth)}; give its "
                        "categories the ids that the model detects, or use the annotations that it was trained for")
    return [f"categories {one} ({truth.categories[one]}) and {other} ({truth.categories[other]}) of the annotations "
            "look swapped: most objects of either are detected as the other" for one, other in found.swapped()]


def _shard_maps(detected: Detected, matches: Matches, digests: Mapping[int, str]) -> Dict[str, float]:
    """The mAP of each shard on its own, by the shard's digest; of those that have ground truth."""
    parts = list(detected.parts)
    weights = np.stack([np.isin(matches.image_ids, part.image_ids) for _, part in parts]).astype(np.int32)
    found = bootstrap.mean_aps(matches, weights)
    return {digests[shard.index]: float(value) for (shard, _), value in zip(parts, found) if not np.isnan(value)}


def _maps_of_whole_shards(prepared: Prepared, detected: Mapping[str, Detected],
                          variants: Mapping[str, Variant]) -> Optional[Dict[str, Dict[str, float]]]:
    if any(shard.records < shard.total for shard in prepared.task.shards):
        return None
    return {figure: _shard_maps(detected[name], variants[name].matches, prepared.task.digests)
            for figure, name in ((jitter.FLOAT_MAP, FLOAT), (jitter.QUANTIZED_MAP, QUANTIZED))}


def _provenance(prepared: Prepared) -> Dict[str, Any]:
    task = prepared.task
    request, built = task.request, task.artifacts
    place, settings = built.postprocessing, request.card.quantization
    return {
        "checkpoint": {path.name: files.digest_file(path) for path in load.checkpoint_files(request.data.checkpoint)},
        "data": {
            "annotations": prepared.truth.digest(),
            "shards": {shard.path.name: task.digests[shard.index] for shard in task.shards},
            "preprocessing": images.preprocessing(request.card.height, request.card.width),
        },
        "quantization": {
            "scheme": settings.scheme,
            "param_bitwidth": settings.param_bitwidth,
            "output_bitwidth": settings.output_bitwidth,
            "configuration": files.digest_value(asdict(settings.configuration)),
            "overrides": {override.tensors: asdict(override) for override in settings.overrides},
            "encodings_file": settings.encodings_file and files.digest_file(settings.encodings_file),
            "calibration_images": request.card.calibration_images,
            _CALIBRATION_KEY: _calibration_digest(prepared),
            "simulator": built.simulator,
            # Left out where the card says nothing: baselines from before it could are as good.
            **({"spelled_out_batch_norms": settings.spelled_out_batch_norms}
               if settings.spelled_out_batch_norms else {}),
        },
        "detection": {
            "batch_size": request.batch_size,
            "suppression": "outside the graph, verified" if place else "the graph's own",
            "score_threshold": place and place.score_threshold,
            "iou_threshold": place and place.iou_threshold,
        },
        "versions": {"tensorflow": tf.__version__, "numpy": np.__version__},
    }


def _calibration_digest(prepared: Prepared) -> str:
    """Which images calibrate: the first of the data set, whatever the names of its files."""
    task = prepared.task
    leading = calibration_shards(prepared.every_shard, task.request.card.calibration_images)
    return files.digest_value([task.digests.get(shard.index) or files.digest_file(shard.path) for shard in leading])


def _resampled(prepared: Prepared, variants: Mapping[str, Variant]) -> Optional[Dict[str, np.ndarray]]:
    """The APs of each resample by variant; None where all images were evaluated and nothing is left to chance."""
    if prepared.whole():
        return None
    weights = draw(prepared)
    return {name: bootstrap.threshold_aps(variant.matches, weights) for name, variant in variants.items()}


def _certainty(prepared: Prepared, variants: Mapping[str, Variant],
               aps: Optional[Mapping[str, np.ndarray]]) -> Tuple[Classes, Optional[Part]]:
    """How certain the figures are: of each class, and on a part of the data set those of all classes."""
    matches = [variants[name].matches for name in VARIANTS]
    images = ClassImages(matches[0].class_images(), class_images(prepared, matches[0])[:, coco.ALL.area])
    objects = matches[0].positives[:, :, coco.ALL.area].sum(axis=0)
    if aps is None:
        weights = bootstrap.draw_for_deviations(len(matches[0].image_ids))
        before, after = (bootstrap.class_aps(side, weights) for side in matches)
        return Classes(images, bootstrap.drop_deviations(before, after), objects), None
    before, after = (bootstrap.mean_over_thresholds(aps[name]) for name in VARIANTS)
    once = np.ones([1, len(matches[0].image_ids)], np.int32)
    values = [bootstrap.class_aps(side, once)[0] for side in matches]
    of_part = PartialAps(values[0], values[1], before, after, images, prepared.share())
    chosen = prepared.task.shards
    return Classes(images, bootstrap.drop_deviations(before, after), objects), Part(
        of_part, len(matches[0].image_ids), len(chosen), prepared.other_shards())
