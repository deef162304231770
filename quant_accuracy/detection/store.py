"""The detections of one shard as a file of arrays."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable, List, Sequence

import numpy as np

from quant_accuracy.base import arrays, files, progress
from quant_accuracy.base.errors import StorageError

if TYPE_CHECKING:
    # It imports TensorFlow, which those who read detections need not.
    from quant_accuracy.detection.nms import Detections

_FIELDS = {"image_ids": np.int64, "sizes": np.int32, "counts": np.int32, "boxes": np.float32, "scores": np.float32,
           "classes": np.int32}


@dataclass(frozen=True)
class ShardDetections:
    """What one variant detected on one shard.

    Attributes:
        image_ids: int64 [n] COCO image ids, in the order of the records.
        sizes: int32 [n, 2] original height and width in pixels.
        counts: int32 [n] number of detections of each image.
        boxes: float32 [sum(counts), 4] ymin, xmin, ymax, xmax, relative to the image; image after image.
        scores: float32 [sum(counts)].
        classes: int32 [sum(counts)] COCO category ids.
    """

    image_ids: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def gather(image_ids: Sequence[np.ndarray], sizes: Sequence[np.ndarray],
           detections: "Sequence[Detections]") -> ShardDetections:
    """Put the detections of a shard's images together.

    Args:
        image_ids: int64 arrays, batch after batch.
        sizes: int32 [n, 2] arrays, batch after batch.
        detections: One for each image.
    """
    columns: Dict[str, List[np.ndarray]] = {
        "image_ids": [np.zeros(0, np.int64), *image_ids],
        "sizes": [np.zeros((0, 2), np.int32), *sizes],
        "counts": [np.array([len(found.scores) for found in detections], np.int32)],
        "boxes": [np.zeros((0, 4), np.float32), *(found.boxes for found in detections)],
        "scores": [np.zeros(0, np.float32), *(found.scores for found in detections)],
        "classes": [np.zeros(0, np.int32), *(found.classes for found in detections)],
    }
    # An empty part of another type would decide the type of all: integers would pass through floats.
    return ShardDetections(**{name: np.concatenate([np.asarray(part, dtype) for part in columns[name]])
                              for name, dtype in _FIELDS.items()})


def save(path: Path, detections: ShardDetections) -> None:
    """Write a shard's detections, whole or not at all."""
    arrays.save(path, {name: getattr(detections, name) for name in _FIELDS})


def load(path: Path) -> ShardDetections:
    """Read a shard's detections.

    Raises:
        StorageError: The file is missing, damaged, or of another form.
    """
    found = ShardDetections(**arrays.load(path, _FIELDS, "detections"))
    total, images = int(found.counts.sum()), len(found.image_ids)
    shapes = [(images,), (images, 2), (images,), (total, 4), (total,), (total,)]
    for name, shape in zip(_FIELDS, shapes):
        if getattr(found, name).shape != shape:
            raise arrays.misshapen(path, name, getattr(found, name))
    return found


def load_kept(paths: Iterable[Path], found: Dict[Path, ShardDetections]) -> None:
    """Read what is there of some files into `found`, which may have some already.

    One that is damaged is removed, with a warning: who is to make it again has to see that it is missing.

    Raises:
        StorageError: A damaged one cannot be removed.
    """
    for path in set(paths) - set(found):
        if path.is_file():
            try:
                found[path] = load(path)
            except StorageError as error:
                progress.say(f"warning: {error}")
                with files.storage_errors(path), contextlib.suppress(FileNotFoundError):
                    path.unlink()
