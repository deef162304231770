"""Which detections match which ground truth, by COCO's rule, for all images and categories at once.

The rule is that of `COCOeval.evaluateImg` in pycocotools: detections of an image and a category take, best score first,
the free ground truth that they overlap most. It is walked rank by rank, for many images, areas and IoU thresholds
together. One deviation: pycocotools takes a match with an annotation of id 0 for none; here every id is alike.
"""

from dataclasses import dataclass
from typing import Iterator, NamedTuple, Tuple

import numpy as np

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Square pixels, both ends included: all, small, medium, large.
AREAS = np.array([[0.0, 1e10], [0.0, 32.0 ** 2], [32.0 ** 2, 96.0 ** 2], [96.0 ** 2, 1e10]])
MAX_DETECTIONS = 100
# Outcomes of a detection.
WRONG, RIGHT, UNCOUNTED = 0, 1, 2
RECALLS = np.linspace(0.0, 1.0, 101)

# Candidates (image and category, area, threshold, ground truth) that are held at once.
_CHUNK = 200_000


@dataclass(frozen=True)
class Matches:
    """The outcome for each detection that counts, sorted by category, then image, then rank.

    Attributes:
        image_ids: int64 [n] evaluated image ids, sorted.
        category_ids: int64 [c], sorted.
        rows: int64 [d] positions in `Merged.results`.
        images: int32 [d] positions in `image_ids`.
        categories: int32 [d] positions in `category_ids`.
        ranks: int32 [d] 0 for the best score of its image and category.
        scores: float64 [d].
        outcomes: uint8 [d, area, IoU threshold] `RIGHT`: it took a ground truth; `WRONG`: it took none; `UNCOUNTED`: it
            counts neither way, since what it took is a crowd or outside the area, or it took nothing and is outside the
            area itself.
        positives: int64 [n, c, area] ground truth that should be found.
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    rows: np.ndarray
    images: np.ndarray
    categories: np.ndarray
    ranks: np.ndarray
    scores: np.ndarray
    outcomes: np.ndarray
    positives: np.ndarray

    def class_images(self, area: int = 0) -> np.ndarray:
        """How many evaluated images show ground truth of each category in one of `AREAS`: int64 [c]."""
        return np.asarray((self.positives[:, :, area] > 0).sum(axis=0))

    def ranked(self, category: int) -> np.ndarray:
        """The rows of a category, best score first; equal scores stay in the order of images, as COCO has it."""
        # Of another type, all categories would be converted each time.
        first, end = np.searchsorted(self.categories, np.array([category, category + 1], self.categories.dtype))
        return np.asarray(first + np.argsort(-self.scores[first:end], kind="stable"))


class Truth(NamedTuple):
    """Objects of the ground truth.

    Attributes:
        boxes: float64 [t, 4] x, y, width, height.
        categories: int64 [t] category ids.
        images: int64 [t] image ids.
        areas: float64 [t] square pixels.
        crowd: bool [t].
    """

    boxes: np.ndarray
    categories: np.ndarray
    images: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray

    def take(self, rows: np.ndarray) -> "Truth":
        """Some of them, in this order: positions, or bool [t]."""
        return Truth(*(column[rows] for column in self))


class _Groups(NamedTuple):
    """Rows sorted by category and image: where each pair that has rows begins, and how many it has."""

    keys: np.ndarray
    starts: np.ndarray
    counts: np.ndarray


def match(merged: Merged, annotations: Annotations) -> Matches:
    """Match the detections of the evaluated images with their ground truth.

    Detections of categories that the annotations do not know are left out, as pycocotools does.

    Args:
        merged: The detections of one variant.
        annotations: The ground truth.
    """
    image_ids = merged.image_ids
    category_ids = np.array(sorted(annotations.categories), np.int64)
    rows, keys, ranks = _ranked(merged, category_ids)
    found = _groups(keys)
    own = merged.results.boxes[rows]

    truth = ground_truth(annotations, image_ids)
    truth_keys = _keys(truth.categories, truth.images, category_ids, image_ids)
    truth_order = np.argsort(truth_keys, kind="stable")
    truth, truth_keys = truth.take(truth_order), truth_keys[truth_order]
    wanted = _groups(truth_keys)
    beside = truth.crowd[:, None] | outside_areas(truth.areas)

    positives = np.zeros([len(category_ids) * len(image_ids), len(AREAS)], np.int64)
    np.add.at(positives, truth_keys, ~beside)
    outcomes = np.full([len(rows), len(AREAS), len(IOU_THRESHOLDS)], WRONG, np.uint8)
    for pairs in _chunks(found, wanted):
        _match_pairs(pairs, own, truth.boxes, truth.crowd, beside, outcomes)
    for area, outside in enumerate(outside_areas(own[:, 2] * own[:, 3]).T):
        # One after the other: what is made here of all detections at once is the peak of a report's memory.
        of_area = outcomes[outside, area]
        outcomes[outside, area] = np.where(of_area == WRONG, UNCOUNTED, of_area)
    categories, images = (part.astype(np.int32) for part in np.divmod(keys, max(1, len(image_ids))))
    return Matches(image_ids, category_ids, rows, images, categories, ranks, merged.results.scores[rows], outcomes,
                   positives.reshape(len(category_ids), len(image_ids), len(AREAS)).transpose(1, 0, 2))


def class_images(annotations: Annotations) -> np.ndarray:
    """How many images of the annotations show ground truth of each category in each of `AREAS`: int64 [c, area]."""
    nothing = Merged(np.array(sorted(annotations.images), np.int64), Results.from_rows([]))
    return np.asarray((match(nothing, annotations).positives > 0).sum(axis=0))


def _ranked(merged: Merged, category_ids: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detections that count, sorted by category, image and rank: their rows, keys and ranks, as int32 the last."""
    results = merged.results
    rows = np.flatnonzero(np.isin(results.categories, category_ids))
    keys = _keys(results.categories[rows], results.images[rows], category_ids, merged.image_ids)
    order = np.lexsort((-results.scores[rows], keys))
    rows, keys = rows[order], keys[order]
    groups = _groups(keys)
    ranks = (np.arange(len(rows)) - np.repeat(groups.starts, groups.counts)).astype(np.int32)
    counting = ranks < MAX_DETECTIONS
    return rows[counting], keys[counting], ranks[counting]


class _Pairs(NamedTuple):
    """Some pairs of image and category that have both: first rows and numbers, most detections first."""

    detections: np.ndarray
    detection_counts: np.ndarray
    truths: np.ndarray
    truth_counts: np.ndarray


def _chunks(found: _Groups, wanted: _Groups) -> Iterator[_Pairs]:
    """Pairs with a similar number of ground truths share a chunk, so that little of it is padding."""
    _, ours, theirs = np.intersect1d(found.keys, wanted.keys, assume_unique=True, return_indices=True)
    by_size = np.argsort(wanted.counts[theirs], kind="stable")
    ours, theirs = ours[by_size], theirs[by_size]
    start = 0
    while start < len(ours):
        cost = wanted.counts[theirs[start:]] * (len(AREAS) * len(IOU_THRESHOLDS))
        length = max(1, int(np.searchsorted(cost * np.arange(1, len(cost) + 1), _CHUNK, side="right")))
        part, other = ours[start:start + length], theirs[start:start + length]
        most = np.argsort(-found.counts[part], kind="stable")
        part, other = part[most], other[most]
        yield _Pairs(found.starts[part], found.counts[part], wanted.starts[other], wanted.counts[other])
        start += length


def _match_pairs(pairs: _Pairs, boxes: np.ndarray, truth: np.ndarray, crowd: np.ndarray, beside: np.ndarray,
                 outcomes: np.ndarray) -> None:
    """Fill in the outcomes of the detections of some pairs."""
    width = int(pairs.truth_counts.max())
    slots = np.arange(width)
    there = slots < pairs.truth_counts[:, None]
    columns = np.where(there, pairs.truths[:, None] + slots, 0)
    # [pair, area, threshold, ground truth]
    free = np.broadcast_to(there[:, None, None], [len(there), len(AREAS), len(IOU_THRESHOLDS), width]).copy()
    second_choice = beside[columns].transpose(0, 2, 1)[:, :, None]
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
    for rank in range(int(pairs.detection_counts[0])):
        active = int(np.searchsorted(-pairs.detection_counts, -rank, side="left"))
        rows = pairs.detections[:active] + rank
        overlap = iou(boxes[rows][:, None], truth[columns[:active]], crowd[columns[:active]])[:, None, None]
        open_to_it = free[:active] & (overlap >= thresholds)
        first = open_to_it & ~second_choice[:active]
        candidates = np.where(first.any(axis=-1, keepdims=True), first, open_to_it)
        # Among equal overlaps COCO takes the last.
        best = width - 1 - np.argmax(np.where(candidates, overlap, -1.0)[..., ::-1], axis=-1)
        hit = candidates.any(axis=-1)
        uncounted = np.take_along_axis(np.broadcast_to(second_choice[:active], candidates.shape), best[..., None],
                                       axis=-1)[..., 0]
        outcomes[rows] = np.where(hit, np.where(uncounted, UNCOUNTED, RIGHT), WRONG)
        pair, area, threshold = np.nonzero(hit)
        taken = best[pair, area, threshold]
        # A crowd can be matched again and again.
        free[pair, area, threshold, taken] = crowd[columns[pair, taken]]


def iou(boxes: np.ndarray, truth: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """COCO's overlap: intersection over union, or for a crowd intersection over the detection's own area.

    Args:
        boxes: float64 [..., 4] x, y, width, height.
        truth: float64 [..., 4], the same.
        crowd: bool [...].

    Returns:
        float64 [...], 0..1.
    """
    left_top = np.maximum(boxes[..., :2], truth[..., :2])
    right_bottom = np.minimum(boxes[..., 2:] + boxes[..., :2], truth[..., 2:] + truth[..., :2])
    sides = right_bottom - left_top
    common = np.where((sides > 0).all(axis=-1), sides[..., 0] * sides[..., 1], 0.0)
    own = boxes[..., 2] * boxes[..., 3]
    union = np.where(crowd, own, own + truth[..., 2] * truth[..., 3] - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def ground_truth(annotations: Annotations, image_ids: np.ndarray) -> Truth:
    """The annotations of some images, in the order of the file."""
    evaluated = set(image_ids.tolist())
    things = [thing for thing in annotations.document["annotations"] if thing["image_id"] in evaluated]
    return Truth(np.array([thing["bbox"] for thing in things], np.float64).reshape(-1, 4),
                 np.array([thing["category_id"] for thing in things], np.int64),
                 np.array([thing["image_id"] for thing in things], np.int64),
                 np.array([thing["area"] if "area" in thing else thing["bbox"][2] * thing["bbox"][3]
                           for thing in things], np.float64),
                 np.array([bool(thing.get("iscrowd")) for thing in things], bool))


def _keys(categories: np.ndarray, images: np.ndarray, category_ids: np.ndarray, image_ids: np.ndarray) -> np.ndarray:
    """One number for category and image, in the order of both."""
    return np.searchsorted(category_ids, categories) * len(image_ids) + np.searchsorted(image_ids, images)


def _groups(sorted_keys: np.ndarray) -> _Groups:
    return _Groups(*np.unique(sorted_keys, return_index=True, return_counts=True))


def outside_areas(areas: np.ndarray) -> np.ndarray:
    """Which areas lie outside of each of `AREAS`: bool [n, 4]."""
    return (areas[:, None] < AREAS[:, 0]) | (areas[:, None] > AREAS[:, 1])
