"""The whole way from a request to verdicts, for both variants, and for a device where one is asked for."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.merge import Merged
from quant_accuracy.detection.run import Detected, Run
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import Figures, Verdict
from quant_accuracy.pipeline import (
    certainty,
    device,
    device_figures,
    inference,
    provenance,
    recorded,
    variant,
    variations,
)
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import coco, numbering
from quant_accuracy.settings.request import Request


@dataclass(frozen=True)
class Evaluation:
    """Everything that an evaluation found out.

    Attributes:
        prepared: What was evaluated.
        variants: Results by variant, `float` and `quantized`; and `device` where one was asked for.
        figures: What the gates judged by.
        verdicts: What the card's gates say, and then the checks.
        aps: What `bootstrap.threshold_aps` made of each variant and of what `certainty.draw` gives; None where all
            images were evaluated, and the gates needed no resamples.
        notes: What is worth a line and no verdict.
    """

    prepared: Prepared
    variants: Mapping[str, Variant]
    figures: Figures
    verdicts: Sequence[Verdict]
    aps: Optional[Mapping[str, np.ndarray]]
    notes: Sequence[str] = ()

    @property
    def float(self) -> Variant:
        """The result of the float variant."""
        return self.variants[FLOAT]

    @property
    def quantized(self) -> Variant:
        """The result of the quantized variant."""
        return self.variants[QUANTIZED]

    @property
    def device(self) -> Optional[Variant]:
        """The result of the device variant; None where none was asked for."""
        return self.variants.get(DEVICE)

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.prepared.request

    @property
    def artifacts(self) -> Artifacts:
        """What was run."""
        return self.prepared.artifacts

    @property
    def shards(self) -> Sequence[Shard]:
        """The evaluated shards."""
        return self.prepared.shards


def evaluate(request: Request, cache: Cache) -> Evaluation:
    """Evaluate the float and the quantized variant; whatever the cache holds is not done again.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
    """
    prepared = prepare(request, cache)
    return conclude(prepared, detect(prepared))


def detect(prepared: Prepared) -> Dict[str, Detected]:
    """The detections of both variants by variant, and those of an integer model or of a board's outputs.

    Raises:
        QuantAccuracyError: An image or a shard is damaged.
    """
    # What cannot be used is refused before anything is computed.
    left = recorded.find(prepared)
    runs = {run.variant: run for run in [*map(Run, VARIANTS), *device.runs(prepared.artifacts)]}
    with prepared.watch.step("detect"):
        detected = inference.detect(prepared, list(runs.values()))
        return {**{variant: detected[run] for variant, run in runs.items()}, **device.of_left(prepared, left)}


def conclude(prepared: Prepared, detected: Mapping[str, Detected]) -> Evaluation:
    """Merge, score and judge.

    Raises:
        QuantAccuracyError: A shard or an image is missing or there twice, annotations and model number categories
            differently, or there is nothing to judge by.
    """
    watch = prepared.watch
    with watch.step("score"):
        variants = {name: variant.score(prepared, detected[name]) for name in VARIANTS}
        third = device.of_sources(prepared, detected, variants[QUANTIZED])
        if third is not None:
            variants[DEVICE] = third
        swapped = _check_numbering(variants[FLOAT].merged, prepared.truth)
        maps = _maps_of_whole_shards(prepared, detected, variants)
    request = prepared.request
    known_jitter: Optional[Jitter] = None
    if request.jitter:
        with watch.step("jitter"):
            known_jitter = variations.measure_jitter(prepared, [run.speed for run in detected.values() if run.speed])
    with watch.step("judge"):
        baseline = prepared.baseline()
        if baseline is not None and prepared.whole() and not request.jitter:
            # The baseline's jitter is that of the whole data set; fewer images move more.
            known_jitter = baseline.jitter
        aps = certainty.resampled(prepared, variants)
        classes, part = certainty.of_variants(prepared, variants, aps)
        figures = Figures(variants[FLOAT].metrics, variants[QUANTIZED].metrics, classes, part, maps, baseline,
                          known_jitter, provenance.of_prepared(prepared), request.remake,
                          device_figures.measure(prepared, variants, aps))
        verdicts = [*gates.judge(request.card.gates, figures), *prepared.checks(baseline), prepared.coverage(detected)]
        notes = [*prepared.notes(), *_other_runtime(figures), *swapped, *_unknown_categories(prepared, variants),
                 *coco.unlike_pycocotools(prepared.truth), *device.notes(prepared)]
    return Evaluation(prepared, variants, figures, verdicts, aps, notes)


def _other_runtime(figures: Figures) -> List[str]:
    """A line where the baseline's network was computed by another runtime."""
    before = None if figures.baseline is None else figures.baseline.runtime()
    now = figures.provenance[baselines.RUNTIME_KEY]
    return [] if before in (None, now) else [
        f"runtime: {now} here, {before} in the baseline: figures may differ by their numerical jitter"]


def _unknown_categories(prepared: Prepared, variants: Mapping[str, Variant]) -> List[str]:
    """A line for each variant that detects categories of which the annotations know nothing."""
    lines = []
    for name, found in variants.items():
        unknown = numbering.unknown_categories(found.merged.results, prepared.truth)
        if unknown:
            lines.append(f"{name}: {numbering.unknown_line(unknown, len(found.merged.results))}")
    return lines


def _check_numbering(merged: Merged, truth: Annotations) -> List[str]:
    """A line for each pair of categories that look swapped.

    Of the float variant: what quantization does to classes is for the gates to judge.
    """
    found = numbering.compare(merged, truth)
    if found.differs():
        raise DataError(f"{truth.path}: numbers categories differently from the model: {found.line(truth)}; give its "
                        "categories the ids that the model detects, or use the annotations that it was trained for")
    return [f"categories {one} ({truth.categories[one]}) and {other} ({truth.categories[other]}) of the annotations "
            "look swapped: most objects of either are detected as the other" for one, other in found.swapped()]


def _maps_of_whole_shards(prepared: Prepared, detected: Mapping[str, Detected],
                          variants: Mapping[str, Variant]) -> Optional[Dict[str, Dict[str, float]]]:
    """The mAP of each shard on its own, by `jitter` figure and digest; None where a shard was evaluated in part."""
    if any(shard.records < shard.total for shard in prepared.shards):
        return None
    return {figure: variant.shard_maps(detected[name], variants[name].matches, prepared.digests)
            for figure, name in ((jitter.FLOAT_MAP, FLOAT), (jitter.QUANTIZED_MAP, QUANTIZED))}
