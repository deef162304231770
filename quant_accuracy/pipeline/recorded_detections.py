"""The device variant from a file of detections, in COCO's results format."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Tuple

import numpy as np

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import images
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard, format_selection
from quant_accuracy.detection import store
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.device.exchange import box_forms, results_file
from quant_accuracy.device.exchange.box_forms import Boxes
from quant_accuracy.device.exchange.results_file import Rows
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import coco, matching, numbering

_SHOWN = 5
# An image without detections was hardly run where the simulation has one so much better than the file's worst score.
_MARGIN = 0.2
# So many, and this share of the images, may be without for another reason.
_FEW, _SHARE = 2, 0.01


@dataclass(frozen=True)
class Recorded:
    """A file of detections that fits the data set.

    Attributes:
        rows: Its records.
        notes: What is worth a line.
    """

    rows: Rows
    notes: Sequence[str]


def read(prepared: Prepared, path: Path) -> Recorded:
    """Read a file of detections and check it against the annotations.

    Raises:
        DataError: It cannot be read, names images or categories that the annotations do not have, or has images twice.
    """
    rows, truth = _rows(path, *_state(path)), prepared.truth
    _check_ids(rows, truth)
    twice = results_file.repeated(rows)
    if twice:
        raise DataError(f"{path}: all detections of {len(twice)} images are there twice or more "
                        f"({_names(twice)}); the file was joined with a copy of itself, or an image was run twice: "
                        "leave each detection once")
    beside = ~np.isin(rows.images, _evaluated(prepared))
    notes = [f"{path.name}: {beside.sum()} detections of images that are not evaluated were left out"] \
        if beside.any() else []
    return Recorded(rows, notes)


def _state(path: Path) -> Tuple[int, int]:
    try:
        now = path.stat()
        return now.st_size, now.st_mtime_ns
    except OSError:
        # Reading says what is wrong.
        return 0, 0


@functools.lru_cache(maxsize=1)
def _rows(path: Path, size: int, changed: int) -> Rows:
    """The records of a file as it is now: they are checked before all else, and scored after it."""
    return results_file.read(path)


def _check_ids(rows: Rows, truth: Annotations) -> None:
    found = np.unique(rows.images).tolist()
    unknown = [image for image in found if image not in truth.images]
    if unknown:
        positions = len(unknown) > 1 and found == list(range(found[0], found[0] + len(found)))
        remedy = "they look like positions in a list, write the ids of the annotations" if positions else \
            "give the results of this data set"
        raise DataError(f"{rows.path}: {len(unknown)} of {len(found)} image ids are not in {truth.path} "
                        f"({_names(unknown)}); {remedy}")
    categories = np.unique(rows.categories).tolist()
    if categories and not set(categories) & set(truth.categories):
        raise DataError(f"{rows.path}: none of the category ids {_names(categories)} is in {truth.path} "
                        f"({_names(sorted(truth.categories))}); write the ids of the annotations")
    if 0 in categories and 0 not in truth.categories:
        raise DataError(f"{rows.path}: category ids begin at 0, and those of {truth.path} do not "
                        f"({_names(sorted(truth.categories))}); they look like numbers of the network's outputs, write "
                        "the ids of the annotations")


def _evaluated(prepared: Prepared) -> np.ndarray:
    return np.array(sorted(image for shard in prepared.shards for image in images.read_ids(shard)), np.int64)


def score(prepared: Prepared, recorded: Recorded, simulated: Variant) -> Variant:
    """The variant of a file.

    Args:
        prepared: What is evaluated.
        recorded: What `read` gave for it.
        simulated: The quantized variant; that the device detects the same objects tells forms of boxes apart, and
            images that were not run from those without detections.

    Raises:
        DataError: Boxes or category ids are written in another form, or images were not run.
    """
    rows, truth, ids = recorded.rows, prepared.truth, simulated.merged.image_ids
    kept = np.isin(rows.images, ids)
    order = np.argsort(rows.images[kept], kind="stable")
    results = Results(rows.images[kept], rows.boxes[kept], rows.scores[kept], rows.categories[kept])
    merged = Merged(ids, results.take(order))
    _check_run(prepared, rows, merged, simulated)
    _check_form(prepared, rows, merged, simulated)
    found = numbering.compare(merged, truth)
    if found.differs():
        raise DataError(f"{rows.path}: numbers categories differently from {truth.path}: {found.line(truth)}; write "
                        "the ids of the annotations")
    matches = matching.match(merged, truth)
    return Variant(merged, _parts(simulated.parts, merged, truth), matches,
                   coco.score_matches(matches, truth, len(merged.results)), None)


def _check_run(prepared: Prepared, rows: Rows, merged: Merged, simulated: Variant) -> None:
    """Check that images without detections were run, as far as the simulation tells."""
    if not len(merged.results):
        raise DataError(f"{rows.path}: holds no detection of an image that is evaluated; give the results of these "
                        "images")
    worst = float(rows.scores.min())
    reference = simulated.merged.results
    certain = np.unique(reference.images[reference.scores >= worst + _MARGIN])
    silent = np.setdiff1d(certain, merged.results.images)
    if len(silent) <= max(_FEW, _SHARE * len(merged.image_ids)):
        return
    complete = [shard.index for shard, part in simulated.parts if not np.isin(part.image_ids, silent).any()]
    advice = f"judge the part that is there with --shards {format_selection(complete)}, or " if complete else ""
    raise DataError(f"{rows.path}: {len(silent)} of {len(merged.image_ids)} images have no detection "
                    f"({_names(silent.tolist())}) where the simulation is sure of one, so they were hardly run; "
                    f"{advice}run these images on the device, too")


def _check_form(prepared: Prepared, rows: Rows, merged: Merged, simulated: Variant) -> None:
    truth, card = prepared.truth, prepared.request.card
    sides = {image: (truth.images[image]["width"], truth.images[image]["height"])
             for image in merged.image_ids.tolist()}
    form = box_forms.other_form(_boxes(merged), _boxes(simulated.merged), sides, (card.height, card.width))
    if form is not None:
        raise DataError(f"{rows.path}: boxes look like {form}, not x, y, width, height in pixels of the original "
                        "image: only so do they lie where the simulation has its own; write bbox in COCO's form")


def _boxes(merged: Merged) -> Boxes:
    found = merged.results
    return Boxes(found.images, found.boxes, found.scores)


def _parts(like: Sequence[Tuple[Shard, ShardDetections]], merged: Merged,
           truth: Annotations) -> List[Tuple[Shard, ShardDetections]]:
    """The detections shard by shard, relative to their images, for all that looks at single images."""
    results = merged.results
    first = np.searchsorted(results.images, merged.image_ids, side="left")
    end = np.searchsorted(results.images, merged.image_ids, side="right")
    rows: Dict[int, slice] = {image: slice(a, b) for image, a, b in zip(merged.image_ids.tolist(), first, end)}
    parts = []
    for shard, part in like:
        found = []
        for image in part.image_ids.tolist():
            some = results.take(np.arange(rows[image].start, rows[image].stop))
            some = some.take(np.argsort(-some.scores, kind="stable"))
            x, y, width, height = some.boxes.T
            sides = np.array([truth.images[image][side] for side in ("height", "width")] * 2, np.float64)
            corners = np.stack([y, x, y + height, x + width], axis=1) / sides
            found.append(Detections(corners.astype(np.float32), some.scores.astype(np.float32),
                                    some.categories.astype(np.int32)))
        parts.append((shard, store.gather([part.image_ids], [part.sizes], found)))
    return parts


def _names(values: Iterable[object]) -> str:
    found = list(map(str, values))
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
