"""Multi-class non-maximum suppression: the checkpoint's own kernel, run only where it can matter.

The checkpoint suppresses every box for each of its classes, and then keeps the best detections of all classes. The
kernel is greedy in the order of scores, so the classes and places that cannot reach the best are left out without any
effect on the result, down to the last bit: equal scores included, whose order is the inner order of the kernel's heap
and which a quantized network has many of.
"""

import contextlib
from typing import Callable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import sessions

# Classes that share a call of the session: a call has a fixed cost, an empty slot next to none.
_SLOTS = 16


class Parameters(NamedTuple):
    """How detections are suppressed.

    Attributes:
        iou_threshold: A box that overlaps a better one of its class by more than this IoU is dropped.
        score_threshold: Only scores above it count.
        per_class: At most so many detections of one class.
        total: At most so many detections of one image.
    """

    iou_threshold: float
    score_threshold: float
    per_class: int
    total: int


class Detections(NamedTuple):
    """The detections of one image, best first.

    Attributes:
        boxes: float32 [k, 4] ymin, xmin, ymax, xmax, relative to the image.
        scores: float32 [k].
        classes: int32 [k] COCO category ids.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


class _Kept(NamedTuple):
    """What suppression kept, in the order of classes: scores, class indexes, clipped boxes."""

    scores: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray


Suppress = Callable[[np.ndarray, np.ndarray], Detections]
_Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[np.ndarray]]


@contextlib.contextmanager
def open_suppression(parameters: Parameters) -> Iterator[Suppress]:
    """Give a function from decoded boxes and scores of one image to its detections; threads may share it.

    The function takes boxes float32 [n, 4] (ymin, xmin, ymax, xmax, relative) and scores float32 [n, c], where column
    `i` belongs to the category id `i + 1`. Boxes are clipped to the image; those with no area left are dropped, as the
    Object Detection API does.
    """
    with tf.Graph().as_default() as graph:
        boxes = tf.placeholder(tf.float32, [None, 4], name="boxes")
        scores = tf.placeholder(tf.float32, [_SLOTS, None], name="scores")
        limits = tf.placeholder(tf.int32, [_SLOTS], name="limits")
        selected = [
            tf.image.non_max_suppression_with_scores(boxes, scores[slot], limits[slot], parameters.iou_threshold,
                                                     parameters.score_threshold)[0].name
            for slot in range(_SLOTS)
        ]
    with sessions.open_session(graph.as_graph_def(), "the suppression of overlaps") as session:
        kernel = session.make_callable(selected, [boxes.name, scores.name, limits.name])
        yield lambda boxes, scores: _detections(kernel, boxes, scores, parameters)


def _detections(kernel: _Kernel, boxes: np.ndarray, scores: np.ndarray, parameters: Parameters) -> Detections:
    best_of_box = scores.max(axis=1)
    wanted = 2 * parameters.total
    while True:
        complete = wanted >= len(best_of_box)
        # At least `wanted` scores reach this floor.
        floor = -np.inf if complete else np.partition(best_of_box, len(best_of_box) - wanted)[-wanted]
        kept = _down_to(kernel, boxes, scores, floor, best_of_box, parameters)
        if complete or len(kept.scores) >= parameters.total:
            order = np.argsort(-kept.scores, kind="stable")[:parameters.total]
            return Detections(kept.boxes[order], kept.scores[order], (kept.classes[order] + 1).astype(np.int32))
        wanted *= 4


def _down_to(kernel: _Kernel, boxes: np.ndarray, scores: np.ndarray, floor: float, best_of_box: np.ndarray,
             parameters: Parameters) -> _Kept:
    """Everything that is kept with a score of at least `floor`, or as much of it as can be among the best."""
    rows = scores[best_of_box >= floor]
    limits = np.minimum((rows >= floor).sum(axis=0), parameters.per_class).astype(np.int32)
    best_of_class = rows.max(axis=0)
    certain = np.flatnonzero(best_of_class > floor)
    # These have nothing better than the floor itself. Equal scores are sorted by class, so the later of them are
    # needed only when the earlier ones do not suffice.
    tied = np.flatnonzero(best_of_class == floor)
    parts = [_of_classes(kernel, boxes, scores, floor, classes, limits) for classes in _in_slots(certain)]
    kept = _joined(parts)
    for classes in _in_slots(tied):
        settled = (kept.scores > floor) | (kept.classes < classes[0])
        if settled.sum() >= parameters.total:
            break
        parts.append(_of_classes(kernel, boxes, scores, floor, classes, limits))
        kept = _joined(parts)
    return kept


def _in_slots(classes: np.ndarray) -> List[np.ndarray]:
    return [classes[start:start + _SLOTS] for start in range(0, len(classes), _SLOTS)]


def _of_classes(kernel: _Kernel, boxes: np.ndarray, scores: np.ndarray, floor: float, classes: np.ndarray,
                limits: np.ndarray) -> _Kept:
    slots = np.zeros((_SLOTS, len(boxes)), np.float32)
    slots[:len(classes)] = scores[:, classes].T
    limit = np.zeros(_SLOTS, np.int32)
    limit[:len(classes)] = limits[classes]
    chosen: List[Tuple[np.ndarray, np.ndarray]] = []
    for slot, index in enumerate(kernel(boxes, slots, limit)[:len(classes)]):
        index = index[slots[slot, index] >= floor]
        chosen.append((index, np.full(len(index), classes[slot])))
    rows, columns = (np.concatenate(part) for part in zip(*chosen))
    clipped = np.clip(boxes[rows], np.float32(0), np.float32(1))
    visible = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1]) > 0
    return _Kept(scores[rows, columns][visible], columns[visible], clipped[visible])


def _joined(parts: Sequence[_Kept]) -> _Kept:
    if not parts:
        return _Kept(np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    scores, classes, boxes = (np.concatenate(column) for column in zip(*parts))
    order = np.argsort(classes, kind="stable")
    return _Kept(scores[order], classes[order], boxes[order])
