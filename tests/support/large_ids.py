"""Data sets whose ids need 64 bits: none is rounded on its way."""

from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import store
from quant_accuracy.detection.nms import Detections

# Neighbours that float64 cannot tell apart, the ends of what 64 bits hold, and some between.
LARGE = [10 ** 17 + place for place in range(12)] + [-(1 << 63), (1 << 63) - 1, (1 << 63) - 2, (1 << 53) + 1, 0, -7]
CATEGORIES = {1: (1 << 53) + 1, 3: (1 << 53) + 2, 7: 12, 9: 13}


def renumbered(truth: Annotations, images: Dict[int, int], categories: Dict[int, int]) -> Annotations:
    document = {
        "images": [{**image, "id": images[image["id"]]} for image in truth.document["images"]],
        "annotations": [{**thing, "image_id": images[thing["image_id"]],
                         "category_id": categories[thing["category_id"]]}
                        for thing in truth.document["annotations"]],
        "categories": [{**item, "id": categories[item["id"]]} for item in truth.document["categories"]]}
    return Annotations(truth.path, document, {image["id"]: image for image in document["images"]},
                       {categories[key]: name for key, name in truth.categories.items()})


def detected(truth: Annotations, seed: int) -> Tuple[Shard, store.ShardDetections]:
    """A shard on which the ground truth was found, shaken, in the order of the annotations."""
    random = np.random.RandomState(seed)
    found = []
    for things in truth.by_image().values():
        boxes = np.array([thing["bbox"] for thing in things], np.float64).reshape(-1, 4)
        boxes = boxes * random.normal(1.0, 0.07, boxes.shape)
        corners = np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1)
        found.append(Detections((corners / 300).astype(np.float32), random.uniform(size=len(things)).astype(np.float32),
                                np.array([min(thing["category_id"], 1 << 30) for thing in things], np.int32)))
    ids = np.array(list(truth.images), np.int64)
    half = len(ids) // 2
    sizes = np.full([len(ids), 2], 300, np.int32)
    part = store.gather([ids[:half], ids[half:]], [sizes[:half], sizes[half:]], found)
    return Shard(0, Path("one.record"), len(ids), len(ids)), part


def ordered(truth: Annotations) -> Dict[int, int]:
    """Small ids to large ones in the same order, so that equal scores are dealt out alike."""
    return dict(zip(sorted(truth.images), sorted(LARGE)))
