"""What a device is judged by: all variants on the images that it has run, and how certain that is."""

from typing import Dict, Mapping, Optional

import numpy as np

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.judging.verdicts import DeviceFigures, Part
from quant_accuracy.pipeline import certainty, variant
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import agreement, bootstrap, coco
from quant_accuracy.scoring.agreement import Rule
from quant_accuracy.scoring.intervals import clustered_share_interval
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings.gates import AGREEMENT, AGREEMENT_IOU, AGREEMENT_SCORE


def on_its_images(prepared: Prepared, variants: Mapping[str, Variant]) -> Dict[str, Variant]:
    """All variants on the images that the device has run, which may be fewer than were evaluated."""
    image_ids = variants[DEVICE].merged.image_ids
    return {name: variant.restricted(found, image_ids, prepared.truth) for name, found in variants.items()}


def share(prepared: Prepared, variants: Mapping[str, Variant]) -> float:
    """Which share of the images of the data set the device has run, at most 1."""
    return prepared.share() * len(variants[DEVICE].merged.image_ids) / len(variants[FLOAT].merged.image_ids)


def has_all(prepared: Prepared, variants: Mapping[str, Variant]) -> bool:
    """Whether the device has run all images of the data set."""
    return prepared.whole() and len(variants[DEVICE].merged.image_ids) == len(variants[FLOAT].merged.image_ids)


def measure(prepared: Prepared, variants: Mapping[str, Variant],
            aps: Optional[Mapping[str, np.ndarray]] = None) -> Optional[DeviceFigures]:
    """What there is to judge the device by; None where no variant is of a device.

    Args:
        prepared: What was evaluated.
        variants: The results by variant.
        aps: What `certainty.resampled` gives of them.
    """
    if DEVICE not in variants:
        return None
    sides = on_its_images(prepared, variants)
    rule = _rule(prepared)
    simulated, found = sides[QUANTIZED].merged, sides[DEVICE].merged
    agreed, extra = agreement.measure(simulated, found, rule), agreement.measure(found, simulated, rule)
    missing = len(variants[FLOAT].merged.image_ids) - len(found.image_ids)
    part, interval = None, None
    if not has_all(prepared, variants):
        part = _part(prepared, variants, sides, {} if missing or aps is None else aps)
        interval = clustered_share_interval(agreed.agreed, agreed.asked, share(prepared, variants))
    return DeviceFigures(sides[FLOAT].metrics, sides[QUANTIZED].metrics, sides[DEVICE].metrics, agreed, extra, interval,
                         part, missing)


def class_images(prepared: Prepared, variants: Mapping[str, Variant]) -> np.ndarray:
    """How many images of the whole data set show each category, see `certainty.class_images`."""
    return certainty.class_images(prepared, variants[FLOAT].matches)


def _rule(prepared: Prepared) -> Rule:
    """What the card's gate asks, or would ask by default."""
    gate = next((gate for gate in prepared.request.card.gates if gate.name == AGREEMENT), None)
    score, iou = (None, None) if gate is None else (gate.score, gate.iou)
    return Rule(AGREEMENT_SCORE if score is None else score, AGREEMENT_IOU if iou is None else iou)


def _part(prepared: Prepared, variants: Mapping[str, Variant], sides: Mapping[str, Variant],
          aps: Mapping[str, np.ndarray]) -> Part:
    """The simulation and the device on the same resamples of the images that the device has run."""
    pair = [sides[name] for name in (QUANTIZED, DEVICE)]
    count = len(pair[0].matches.image_ids)
    once, weights = np.ones([1, count], np.int32), bootstrap.draw(count)
    samples = [bootstrap.mean_over_thresholds(aps[name]) if name in aps else bootstrap.class_aps(side.matches, weights)
               for name, side in zip((QUANTIZED, DEVICE), pair)]
    values = [bootstrap.class_aps(side.matches, once)[0] for side in pair]
    images = ClassImages(pair[0].matches.class_images(), class_images(prepared, variants)[:, coco.ALL.area])
    return Part(PartialAps(values[0], values[1], samples[0], samples[1], images, share(prepared, variants)), count,
                len(prepared.shards), prepared.other_shards())
