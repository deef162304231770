"""Put the shards' detections together, in COCO's results form; nothing missing, nothing twice."""

from typing import Any, Dict, Iterator, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.errors import DataError


class Merged(NamedTuple):
    """The detections of one variant on all evaluated images.

    Attributes:
        image_ids: int64 [n] evaluated COCO image ids, sorted; images without detections included.
        results: float64 [d, 7] image id, x, y, width, height in pixels, score, category id.
    """

    image_ids: np.ndarray
    results: np.ndarray

    def as_coco(self) -> Iterator[Dict[str, Any]]:
        """COCO's results format, record by record, for other tools."""
        for row in self.results:
            yield {"image_id": int(row[0]), "bbox": row[1:5].tolist(), "score": float(row[5]),
                   "category_id": int(row[6])}


def merge(parts: Sequence[Tuple[Shard, ShardDetections]], annotations: Annotations) -> Merged:
    """Merge the shards of one variant.

    Args:
        parts: Each evaluated shard once, with its detections.
        annotations: The ground truth that the images must belong to.

    Raises:
        DataError: A shard is there twice or is incomplete, an image is there twice, is unknown to the annotations, or
            has another size than they say.
    """
    seen_shards: Dict[int, Shard] = {}
    owner: Dict[int, Shard] = {}
    tables = []
    for shard, found in parts:
        if shard.index in seen_shards:
            raise DataError(f"{shard.path}: shard {shard.index} was evaluated twice, also as "
                            f"{seen_shards[shard.index].path}; name each shard once")
        seen_shards[shard.index] = shard
        if len(found.image_ids) != shard.records:
            raise DataError(f"{shard.path}: {len(found.image_ids)} of {shard.records} images were evaluated; "
                            "delete its detections in the cache and start again")
        for image_id, size in zip(found.image_ids.tolist(), found.sizes.tolist()):
            _check_image(shard, image_id, size, owner, annotations)
            owner[image_id] = shard
        tables.append(_results(found))
    results = np.concatenate([np.zeros((0, 7)), *tables])
    detected = set(results[:, 6].astype(int).tolist())
    # A model may know ids that no category has (COCO's have gaps); one that knows no category is another model.
    if detected and not detected & set(annotations.categories):
        raise DataError(f"{annotations.path}: none of the detected category ids {sorted(detected)[:10]} is among its "
                        "categories; use the annotations that the model was trained for")
    # Sorted by image id, the table does not depend on the order of shards.
    order = np.argsort(results[:, 0], kind="stable")
    return Merged(np.array(sorted(owner), np.int64), results[order])


def _check_image(shard: Shard, image_id: int, size: Sequence[int], owner: Dict[int, Shard],
                 annotations: Annotations) -> None:
    if image_id in owner:
        other = owner[image_id]
        raise DataError(f"{shard.path}: image {image_id} was evaluated before, from {other.path}; "
                        "each image must be in one record only")
    known = annotations.images.get(image_id)
    if known is None:
        raise DataError(f"{shard.path}: image {image_id} is not in {annotations.path}; "
                        "use the annotations that belong to these TFRecords")
    if [known["height"], known["width"]] != list(size):
        raise DataError(f"{shard.path}: image {image_id} is {size[1]}x{size[0]}, but {annotations.path} says "
                        f"{known['width']}x{known['height']}; use the annotations that belong to these TFRecords")


def _results(found: ShardDetections) -> np.ndarray:
    image = np.repeat(np.arange(len(found.counts)), found.counts)
    height, width = found.sizes[image].astype(np.float64).T
    top, left, bottom, right = found.boxes.astype(np.float64).T
    return np.stack([found.image_ids[image].astype(np.float64), left * width, top * height, (right - left) * width,
                     (bottom - top) * height, found.scores.astype(np.float64),
                     found.classes.astype(np.float64)], axis=1)
