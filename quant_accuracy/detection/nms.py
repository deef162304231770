"""Multi-class non-maximum suppression: what the checkpoint's own would keep, computed only where it can matter.

The checkpoint suppresses every box for each of its classes, and then keeps the best detections of all classes. It is
greedy in the order of scores, so the classes and places that cannot reach the best are left out without any effect on
the result, down to the last bit. Where no two scores of a class are equal, or the index of the box settles which is the
better one, numpy does it (`greedy`); else TensorFlow's kernel does (`kernel`), as the inner order of its heap decides,
and a quantized network has many equal scores.
"""

import contextlib
from typing import Callable, Iterator, NamedTuple, Tuple

import numpy as np

from quant_accuracy.detection import greedy
from quant_accuracy.detection.kernel import Kernel, Parameters, open_kernel

__all__ = ["Detections", "Parameters", "Suppress", "open_suppression"]

# Classes that are suppressed before it is asked whether there are detections enough.
_GROUP = 16
# Boxes of a class, and pairs of boxes of all classes, up to which numpy is the faster one.
_CROWD, _MOST_PAIRS = 128, 1 << 16


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


class _Scene(NamedTuple):
    """One image before suppression.

    Attributes:
        boxes: float32 [n, 4], decoded.
        scores: float32 [n, c].
        best_of_box: float32 [n] the best score of each box.
    """

    boxes: np.ndarray
    scores: np.ndarray
    best_of_box: np.ndarray


class _Kept(NamedTuple):
    """What suppression kept, in the order of classes: scores, class indexes, clipped boxes."""

    scores: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray


Suppress = Callable[[np.ndarray, np.ndarray], Detections]


@contextlib.contextmanager
def open_suppression(parameters: Parameters) -> Iterator[Suppress]:
    """Give a function from decoded boxes and scores of one image to its detections; threads may share it.

    The function takes boxes float32 [n, 4] (ymin, xmin, ymax, xmax, relative) and scores float32 [n, c], where column
    `i` belongs to the category id `i + 1`. Boxes are clipped to the image; those with no area left are dropped, as the
    Object Detection API does.
    """
    with open_kernel(parameters) as kernel:
        yield lambda boxes, scores: _detections(kernel, _Scene(boxes, scores, scores.max(axis=1)), parameters)


def _detections(kernel: Kernel, scene: _Scene, parameters: Parameters) -> Detections:
    best_of_box = scene.best_of_box
    wanted = 2 * parameters.total
    while True:
        complete = wanted >= len(best_of_box)
        # At least `wanted` scores reach this floor.
        floor = -np.inf if complete else np.partition(best_of_box, len(best_of_box) - wanted)[-wanted]
        kept = _down_to(kernel, scene, floor, parameters)
        if complete or len(kept.scores) >= parameters.total:
            order = np.argsort(-kept.scores, kind="stable")[:parameters.total]
            return Detections(kept.boxes[order], kept.scores[order], (kept.classes[order] + 1).astype(np.int32))
        wanted *= 4


def _down_to(kernel: Kernel, scene: _Scene, floor: float, parameters: Parameters) -> _Kept:
    """Everything that is kept with a score of at least `floor`, or as much of it as can be among the best."""
    rows = np.flatnonzero(scene.best_of_box >= floor)
    near = np.ascontiguousarray(scene.scores[rows].T)
    reaching = near >= max(floor, np.nextafter(np.float32(parameters.score_threshold), np.float32(np.inf)))
    counts = np.count_nonzero(reaching, axis=1)
    kept, settled = _by_numpy(kernel, scene, rows, reaching & _uncrowded(counts)[:, None], parameters)
    left = (counts > 0) & ~settled
    if not left.any():
        return kept
    best_of_class, limits = near.max(axis=1), np.minimum(counts, parameters.per_class).astype(np.int32)
    certain, tied = np.flatnonzero(left & (best_of_class > floor)), np.flatnonzero(left & (best_of_class == floor))
    # The tied have nothing better than the floor itself. Equal scores are sorted by class, so the later of them are
    # needed only when the earlier ones do not suffice.
    for classes in [certain, *(tied[start:start + _GROUP] for start in range(0, len(tied), _GROUP))]:
        if not len(classes):
            continue
        if classes is not certain and ((kept.scores > floor) | (kept.classes < classes[0])).sum() >= parameters.total:
            break
        found = kernel.kept(scene.boxes, np.ascontiguousarray(scene.scores[:, classes].T), floor, limits[classes])
        kept = _joined(kept, _kept(scene, np.concatenate(found), np.repeat(classes, [len(index) for index in found])))
    return kept


def _uncrowded(counts: np.ndarray) -> np.ndarray:
    """The classes whose boxes are few enough for numpy, from their numbers: bool [c]."""
    few = counts <= _CROWD
    return few if (counts[few] ** 2).sum() <= 2 * _MOST_PAIRS else np.zeros_like(few)


def _by_numpy(kernel: Kernel, scene: _Scene, rows: np.ndarray, reaching: np.ndarray,
              parameters: Parameters) -> Tuple[_Kept, np.ndarray]:
    """What is kept of the classes that are settled without the kernel, and which these are: bool [c].

    Args:
        kernel: Knows what settles equal scores.
        scene: The image.
        rows: Some of its boxes.
        reaching: bool [c, r], which of their scores count.
        parameters: How detections are suppressed.
    """
    classes, places = np.divmod(np.flatnonzero(reaching), len(rows))
    boxes = rows[places]
    scores = scene.scores[boxes, classes]
    # By class, the best first; equal ones by index, as they are.
    order = np.lexsort((-scores, classes))
    boxes, classes, scores = boxes[order], classes[order], scores[order]
    settled = np.ones(len(reaching), bool)
    settled[classes[~greedy.drop_themselves(scene.boxes[boxes], parameters.iou_threshold)]] = False
    if not kernel.index_settles_ties:
        settled[classes[1:][(scores[1:] == scores[:-1]) & (classes[1:] == classes[:-1])]] = False
    taken = settled[classes]
    boxes, classes = boxes[taken], classes[taken]
    kept, open_classes = greedy.kept(scene.boxes[boxes], classes, parameters.iou_threshold, parameters.per_class)
    settled[np.bincount(classes, minlength=len(settled)) == 0] = False
    settled[open_classes] = False
    kept &= settled[classes]
    return _kept(scene, boxes[kept], classes[kept]), settled


def _kept(scene: _Scene, rows: np.ndarray, columns: np.ndarray) -> _Kept:
    clipped = np.clip(scene.boxes[rows], np.float32(0), np.float32(1))
    visible = (clipped[:, 2] - clipped[:, 0]) * (clipped[:, 3] - clipped[:, 1]) > 0
    return _Kept(scene.scores[rows, columns][visible], columns[visible], clipped[visible])


def _joined(one: _Kept, other: _Kept) -> _Kept:
    scores, classes, boxes = (np.concatenate(columns) for columns in zip(one, other))
    order = np.argsort(classes, kind="stable")
    return _Kept(scores[order], classes[order], boxes[order])
