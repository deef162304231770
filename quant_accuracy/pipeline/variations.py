"""The same evaluation with one thing changed: the input scaled, quantizers switched off or set otherwise."""

from dataclasses import replace
from typing import Dict, List, Sequence

from quant_accuracy.artifacts import build
from quant_accuracy.base import log_lines, progress
from quant_accuracy.base.words import FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.detection.run import Run, Speed
from quant_accuracy.judging import jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.pipeline import inference
from quant_accuracy.pipeline import variant as variants
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.quantization.records import Override
from quant_accuracy.scoring.metrics import Metrics


def measure_jitter(prepared: Prepared, speeds: Sequence[Speed] = ()) -> Jitter:
    """Evaluate both variants under each of `jitter.SCALES`, once it has been said what that costs.

    Args:
        prepared: What is evaluated.
        speeds: Of both variants, where they were evaluated in this run: they tell how long it will take.

    Raises:
        ConfigurationError: AIMET runs the network.
    """
    progress.announce(_cost(sum(shard.records for shard in prepared.shards), speeds))
    runs = {variant: [Run(variant, scale) for scale in jitter.SCALES] for variant in VARIANTS}
    with progress.purpose("jitter"):
        detected = inference.detect(prepared, [run for both in zip(*runs.values()) for run in both])
    metrics: Dict[str, List[Metrics]] = {variant: [] for variant in VARIANTS}
    shards: Dict[str, List[jitter.ShardMaps]] = {variant: [] for variant in VARIANTS}
    for variant, of_variant in runs.items():
        for run in of_variant:
            scored = variants.score(prepared, detected[run])
            metrics[variant].append(scored.metrics)
            shards[variant].append(variants.shard_maps(detected[run], scored.matches, prepared.digests))
    return jitter.collect(metrics[FLOAT], metrics[QUANTIZED], shards[FLOAT], shards[QUANTIZED])


def _cost(images: int, speeds: Sequence[Speed]) -> str:
    """What measuring the jitter costs, in words."""
    count = len(jitter.SCALES)
    line = f"jitter: {count} evaluations of both variants, {images} images each; what is in the cache is not run again"
    if len(speeds) < len(VARIANTS):
        return line
    # The unscaled input has been run for the figures.
    seconds = (count - 1) * images * sum(speed.seconds / speed.images for speed in speeds if speed.images)
    return f"{line}; about {log_lines.duration(seconds)} at the speed of the evaluation before"


def quantized_shard_maps(prepared: Prepared, scales: Sequence[float]) -> List[Dict[str, float]]:
    """The quantized mAP of each shard on its own, by the shard's digest, with the network's input scaled.

    Raises:
        ConfigurationError: AIMET runs the network.
    """
    runs = [Run(QUANTIZED, scale) for scale in scales]
    detected = inference.detect(prepared, runs)
    return [variants.shard_maps(detected[run], variants.score(prepared, detected[run]).matches, prepared.digests)
            for run in runs]


def measure_without(prepared: Prepared, off: Sequence[str]) -> Variant:
    """The quantized variant with the quantizers on these tensors switched off.

    Raises:
        ConfigurationError: AIMET runs the network.
        GraphError: There is no enabled quantizer on one of the tensors.
    """
    run = Run(QUANTIZED, disabled=tuple(sorted(off)))
    return variants.score(prepared, inference.detect(prepared, [run])[run])


def measure_overridden(prepared: Prepared, overrides: Sequence[Override]) -> Variant:
    """The quantized variant of a model card that has more overrides: placed, calibrated and evaluated anew.

    Raises:
        ConfigurationError: The card allows no such overrides.
        QuantAccuracyError: Something could not be measured.
    """
    request, settings = prepared.request, prepared.request.card.quantization
    card = replace(request.card, quantization=replace(settings, overrides=(*settings.overrides, *overrides)),
                   device=None)
    artifacts = build.build(card, request.data.checkpoint, prepared.every_shard, prepared.cache, request.trusted,
                            request.batch_size)
    changed = replace(prepared, request=replace(request, card=card), artifacts=artifacts)
    run = Run(QUANTIZED)
    return variants.score(changed, inference.detect(changed, [run])[run])
