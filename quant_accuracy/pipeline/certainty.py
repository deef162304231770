"""How certain the figures are: of each class, and on a part of the data set those of all classes."""

from typing import Dict, Mapping, Optional, Tuple

import numpy as np

from quant_accuracy.base.words import VARIANTS
from quant_accuracy.judging.verdicts import Classes, Part
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import bootstrap, coco, matching
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.partial import ClassImages, PartialAps


def draw(prepared: Prepared) -> np.ndarray:
    """The resamples of the evaluated images, the same every time: int32 [r, n]; see `bootstrap.draw`."""
    return bootstrap.draw(sum(shard.records for shard in prepared.shards))


def class_images(prepared: Prepared, matches: Matches) -> np.ndarray:
    """How many images of the whole data set show each category in each of `matching.AREAS`: int64 [c, area]."""
    if prepared.whole():
        # The annotations may hold images that the data set leaves out on purpose.
        return np.stack([matches.class_images(area) for area in range(len(matching.AREAS))], axis=1)
    return matching.class_images(prepared.truth)


def resampled(prepared: Prepared, variants: Mapping[str, Variant]) -> Optional[Dict[str, np.ndarray]]:
    """The APs of each resample by variant; None where all images were evaluated and nothing is left to chance."""
    if prepared.whole():
        return None
    weights = draw(prepared)
    # A device may have run fewer images.
    return {name: bootstrap.threshold_aps(variant.matches, weights) for name, variant in variants.items()
            if len(variant.matches.image_ids) == weights.shape[1]}


def of_variants(prepared: Prepared, variants: Mapping[str, Variant],
                aps: Optional[Mapping[str, np.ndarray]]) -> Tuple[Classes, Optional[Part]]:
    """How certain the figures are: of each class, and on a part of the data set those of all classes."""
    matches = [variants[name].matches for name in VARIANTS]
    images = ClassImages(matches[0].class_images(), class_images(prepared, matches[0])[:, coco.ALL.area])
    objects = matches[0].positives[:, :, coco.ALL.area].sum(axis=0)
    if aps is None:
        weights = bootstrap.draw_for_deviations(len(matches[0].image_ids))
        samples = [bootstrap.class_aps(side, weights) for side in matches]
        return Classes(images, bootstrap.drop_deviations(*samples), objects), None
    samples = [bootstrap.mean_over_thresholds(aps[name]) for name in VARIANTS]
    once = np.ones([1, len(matches[0].image_ids)], np.int32)
    values = [bootstrap.class_aps(side, once)[0] for side in matches]
    of_part = PartialAps(values[0], values[1], samples[0], samples[1], images, prepared.share())
    chosen = prepared.shards
    return Classes(images, bootstrap.drop_deviations(*samples), objects), Part(
        of_part, len(matches[0].image_ids), len(chosen), prepared.other_shards())
