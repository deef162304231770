"""One variant, float or quantized: its detections merged, matched and scored."""

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

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


def shard_maps(detected: Detected, matches: Matches, digests: Mapping[int, str]) -> Dict[str, float]:
    """The mAP of each shard on its own, by the shard's digest; of those that have ground truth."""
    parts = list(detected.parts)
    weights = np.stack([np.isin(matches.image_ids, part.image_ids) for _, part in parts]).astype(np.int32)
    maps = bootstrap.mean_aps(matches, weights)
    return {digests[shard.index]: float(value) for (shard, _), value in zip(parts, maps) if not np.isnan(value)}
