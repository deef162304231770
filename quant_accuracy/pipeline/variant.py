"""One variant, float or quantized: its detections merged, matched and scored."""

from dataclasses import dataclass, replace
from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge
from quant_accuracy.detection.run import Detected, Speed
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.scoring import bootstrap, coco, matching
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import Metrics


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


def score(prepared: Prepared, detected: Detected) -> Variant:
    """Merge and score a variant.

    Raises:
        DataError: A shard or an image is missing or there twice, or is unknown to the annotations.
    """
    merged = merge.merge(detected.parts, prepared.truth)
    matches = matching.match(merged, prepared.truth)
    return Variant(merged, detected.parts, matches, coco.score_matches(matches, prepared.truth, len(merged.results)),
                   detected.speed)


def restricted(variant: Variant, image_ids: np.ndarray, truth: Annotations) -> Variant:
    """A variant as if only some of its images had been evaluated; itself where these are all.

    Args:
        variant: The variant.
        image_ids: int64 [n], sorted; all among its images.
        truth: The annotations.
    """
    if np.array_equal(variant.merged.image_ids, image_ids):
        return variant
    results = variant.merged.results
    merged = merge.Merged(image_ids, results.take(np.isin(results.images, image_ids)))
    matches = matching.match(merged, truth)
    return replace(variant, merged=merged, matches=matches,
                   metrics=coco.score_matches(matches, truth, len(merged.results)))


def shard_maps(detected: Detected, matches: Matches, digests: Mapping[int, str]) -> Dict[str, float]:
    """The mAP of each shard on its own, by the shard's digest; of those that have ground truth."""
    parts = list(detected.parts)
    weights = np.stack([np.isin(matches.image_ids, part.image_ids) for _, part in parts]).astype(np.int32)
    maps = bootstrap.mean_aps(matches, weights)
    return {digests[shard.index]: float(value) for (shard, _), value in zip(parts, maps) if not np.isnan(value)}
