"""Put the shards' detections together, in COCO's results form; nothing missing, nothing twice."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import DataError
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.store import ShardDetections


@dataclass(frozen=True)
class Results:
    """Detections in COCO's results form, as columns; its length is their number.

    Attributes:
        images: int64 [d] image ids.
        boxes: float64 [d, 4] x, y, width, height in pixels.
        scores: float64 [d].
        categories: int64 [d] category ids.
    """

    images: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Any]]) -> "Results":
        """From rows of image id, x, y, width, height, score, category id; integers stay what they are.

        Raises:
            ValueError: A row has another number of values, or something that is no number.
        """
        if any(len(row) != 7 for row in rows):
            raise ValueError("a row does not have 7 values")
        images, *numbers, categories = zip(*rows) if len(rows) else ((),) * 7
        table = np.array(numbers, np.float64).reshape(5, len(rows))
        return cls(np.array(images, np.int64), np.ascontiguousarray(table[:4].T), table[4].copy(),
                   np.array(categories, np.int64))

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: np.ndarray) -> "Results":
        """Some of them, in this order: positions, or bool [d]."""
        return Results(self.images[rows], self.boxes[rows], self.scores[rows], self.categories[rows])

    def equals(self, other: "Results") -> bool:
        """Whether all columns are the same, to the last bit."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)


def joined(parts: Sequence[Results]) -> Results:
    """The detections of all parts, one part after the other."""
    empty = Results.from_rows([])
    columns = {name: np.concatenate([getattr(part, name) for part in (empty, *parts)])
               for name in ("images", "boxes", "scores", "categories")}
    return Results(**columns)


class Merged(NamedTuple):
    """The detections of one variant on all evaluated images.

    Attributes:
        image_ids: int64 [n] evaluated COCO image ids, sorted; images without detections included.
        results: The detections, sorted by image id.
    """

    image_ids: np.ndarray
    results: Results

    def as_coco(self) -> Iterator[Dict[str, Any]]:
        """COCO's results format, record by record, for other tools."""
        found = self.results
        for image, box, score, category in zip(found.images, found.boxes, found.scores, found.categories):
            yield {"image_id": int(image), "bbox": box.tolist(), "score": float(score), "category_id": int(category)}


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
    tables: List[Results] = []
    for shard, found in parts:
        if shard.index in seen_shards:
            raise DataError(f"{shard.path}: shard {shard.index} was evaluated twice, also as "
                            f"{seen_shards[shard.index].path}; name each shard once")
        seen_shards[shard.index] = shard
        if len(found.image_ids) != shard.records:
            raise DataError(f"{shard.path}: {len(found.image_ids)} of {shard.records} images were evaluated; "
                            "delete its detections in the cache and start again")
        for image_id in found.image_ids.tolist():
            _check_image(shard, image_id, owner, annotations)
            owner[image_id] = shard
        _check_sizes(shard, found, annotations)
        tables.append(_results(found))
    results = joined(tables)
    detected = set(np.unique(results.categories).tolist())
    # A model may know ids that no category has (COCO's have gaps); one that knows no category is another model.
    if detected and not detected & set(annotations.categories):
        raise DataError(f"{annotations.path}: none of the detected category ids {sorted(detected)[:10]} is among its "
                        "categories; use the annotations that the model was trained for")
    # Sorted by image id, the table does not depend on the order of shards.
    order = np.argsort(results.images, kind="stable")
    return Merged(np.array(sorted(owner), np.int64), results.take(order))


def _check_image(shard: Shard, image_id: int, owner: Dict[int, Shard], annotations: Annotations) -> None:
    if image_id in owner:
        other = owner[image_id]
        raise DataError(f"{shard.path}: image {image_id} was evaluated before, from {other.path}; "
                        "each image must be in one record only")
    if image_id not in annotations.images:
        raise DataError(f"{shard.path}: image {image_id} is not in {annotations.path}; "
                        "use the annotations that belong to these TFRecords")


def _check_sizes(shard: Shard, found: ShardDetections, annotations: Annotations) -> None:
    """Check that the images of a shard have the sizes that the annotations say."""
    known = [annotations.images[image_id] for image_id in found.image_ids.tolist()]
    wanted = np.array([(image["height"], image["width"]) for image in known], np.int64).reshape(-1, 2)
    wrong = np.flatnonzero((found.sizes != wanted).any(axis=1))
    if len(wrong):
        number = int(wrong[0])
        size, said = found.sizes[number].tolist(), wanted[number].tolist()
        others = f" ({len(wrong)} of {len(known)} images of this shard differ)" if len(known) > 1 else ""
        why = _about_size(shard, number, found, size, said)
        raise DataError(f"{shard.path}: image {known[number]['id']} is {size[1]}x{size[0]}, but {annotations.path} "
                        f"says {said[1]}x{said[0]}{others}; {why}")


def _about_size(shard: Shard, number: int, found: ShardDetections, size: List[int], said: List[int]) -> str:
    """Why an image has another size than its annotation, as far as its record tells, and what to do."""
    # It imports TensorFlow, which those who read detections need not.
    from quant_accuracy.data import records

    record = records.about_size(shard.path, number)
    if record.orientation is not None and size == said[::-1]:
        return (f"{record.orientation.text()}: annotate it as it is stored, or turn its pixels, remove the mark and "
                "make the TFRecords again")
    if len(found.sizes) > 1 and (found.sizes == size).all():
        return (f"all images of this shard are {size[1]}x{size[0]}, so they were resized before: make the TFRecords of "
                f"the original images with {invocation.CREATE_TFRECORDS}")
    if record.said == tuple(said):
        return ("the record says so too in image/height and image/width, so its image was changed without them: make "
                f"the TFRecords again with {invocation.CREATE_TFRECORDS}")
    return "use the annotations that belong to these TFRecords"


def _results(found: ShardDetections) -> Results:
    image = np.repeat(np.arange(len(found.counts)), found.counts)
    height, width = found.sizes[image].astype(np.float64).T
    top, left, bottom, right = found.boxes.astype(np.float64).T
    boxes = np.stack([left * width, top * height, (right - left) * width, (bottom - top) * height], axis=1)
    return Results(found.image_ids[image].astype(np.int64), boxes, found.scores.astype(np.float64),
                   found.classes.astype(np.int64))
