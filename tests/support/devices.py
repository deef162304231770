"""Detections of a device that is not there: those of the simulation, perturbed."""

import numpy as np

from quant_accuracy.detection.merge import Merged, Results


def perturbed(merged: Merged, lost: float = 0.1, shift: float = 0.02, seed: int = 0) -> Merged:
    """What a device makes of the images: scores in steps, boxes shaken, some detections lost.

    Args:
        merged: The detections of the simulation.
        lost: Share of the detections that it does not have.
        shift: Standard deviation of the places of its boxes, of their size.
        seed: Of the random numbers.
    """
    random = np.random.RandomState(seed)
    kept = merged.results.take(random.uniform(size=len(merged.results)) >= lost)
    boxes = kept.boxes.copy()
    boxes[:, :2] += random.normal(0.0, shift, size=[len(kept), 2]) * boxes[:, 2:]
    scores = np.clip(np.round((kept.scores + random.normal(0.0, shift, size=len(kept))) * 256) / 256, 0.0, 1.0)
    return Merged(merged.image_ids, Results(kept.images, boxes, scores, kept.categories))


def on_images(merged: Merged, image_ids: np.ndarray) -> Merged:
    """The detections on some of the images only."""
    return Merged(image_ids, merged.results.take(np.isin(merged.results.images, image_ids)))
