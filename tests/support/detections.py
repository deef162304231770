"""Ground truth and detections, drawn at random."""

from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from quant_accuracy.data import annotations
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection import store
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.detection.nms import Detections


def shard_detections(*image_ids: int, per_image: int = 2) -> store.ShardDetections:
    count = len(image_ids)
    boxes = np.tile(np.array([[0.25, 0.1, 0.75, 0.6]], np.float32), (per_image, 1))
    found = [Detections(boxes, np.linspace(0.9, 0.5, per_image).astype(np.float32),
                        np.full(per_image, 3, np.int32)) for _ in range(count)]
    return store.gather([np.array(image_ids, np.int64)], [np.tile([[40, 60]], (count, 1))], found)


def noisy_detections(truth: annotations.Annotations, image_ids: List[int]) -> Merged:
    """Ground-truth boxes, shaken, some missing, some doubled."""
    random = np.random.RandomState(0)
    rows = []
    for thing in truth.document["annotations"]:
        if thing["image_id"] in image_ids and not thing["iscrowd"]:
            for _ in range(random.choice(3, p=[0.2, 0.6, 0.2])):
                box = np.array(thing["bbox"]) * random.normal(1.0, 0.08, size=4)
                rows.append([thing["image_id"], *box, random.uniform(), thing["category_id"]])
    return Merged(np.array(sorted(image_ids)), Results.from_rows(rows))


def random_truth(random: np.random.RandomState, images: int) -> annotations.Annotations:
    """Boxes on a coarse grid, so that overlaps are often equal; crowds, areas that contradict their boxes."""
    things: List[Dict[str, Any]] = []
    for image in range(1, images + 1):
        for _ in range(random.choice([0, 1, 5, 20])):
            box = (random.randint(0, 10, 4) * 15 + [0, 0, 15, 15]).tolist()
            category = int(random.choice([1, 3, 7]))
            thing = {"id": len(things) + 1, "image_id": image, "category_id": category, "bbox": box,
                     "iscrowd": int(random.uniform() < 0.15), "area": float(box[2] * box[3])}
            if random.uniform() < 0.3:
                thing["area"] = float(random.choice([1024, 1023.5, 9216, 9216.5, 20]))
            things.append(thing)
    # Nothing is of category 9.
    document = {"images": [{"id": i, "width": 300, "height": 300} for i in range(1, images + 1)], "annotations": things,
                "categories": [{"id": i, "name": f"class {i}"} for i in (7, 1, 9, 3)]}
    return annotations.Annotations(Path("random.json"), document, {i["id"]: i for i in document["images"]},
                                   {i["id"]: i["name"] for i in document["categories"]})


def random_detections(random: np.random.RandomState, truth: Annotations, share: float) -> Merged:
    """Shaken ground truth, some of it lost, and false alarms.

    Scores differ: pycocotools ranks equal ones by the copy that they come from, and where right and wrong share a
    score within an image, a copy more is not the same as a weight more.
    """
    rows: List[List[float]] = []
    for thing in truth.document["annotations"]:
        if random.uniform() < share:
            box = np.array(thing["bbox"]) * random.normal(1.0, 0.05, size=4)
            rows.append([thing["image_id"], *box, random.uniform(), thing["category_id"]])
    for image in truth.images:
        for _ in range(3):
            rows.append([image, *random.uniform(5, 100, 4), random.uniform(), random.choice([1, 3, 7, 9])])
    return Merged(np.array(sorted(truth.images)), Results.from_rows(rows))
