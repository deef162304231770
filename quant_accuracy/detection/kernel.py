"""TensorFlow's own suppression of overlaps, several classes a call.

It is greedy: it takes the boxes from a heap, the best first, and drops those that overlap one it kept. What the heap
does with equal scores depends on the version of TensorFlow. In 2.x the box that comes first is the better one. In 1.15
the heap's inner order decides: every box above the score threshold has a part in it, and so has every box that was
kept, which is put back once.
"""

import contextlib
from typing import Iterator, List, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import callables, sessions

# Classes that share a call of the session: a call has a fixed cost, and an empty slot a small one.
_SLOTS = (16, 4, 1)


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


class Kernel:
    """The kernel in a session; threads may share it.

    Args:
        session: On a graph of `_graph`.
        parameters: How detections are suppressed.

    Attributes:
        index_settles_ties: Whether of equal scores that of the lower index is the better one.
    """

    def __init__(self, session: sessions.GraphSession, parameters: Parameters) -> None:
        self._calls = {slots: session.make_callable([f"kept/{slots}/{slot}:0" for slot in range(slots)],
                                                    ["boxes:0", f"scores/{slots}:0", f"limits/{slots}:0"])
                       for slots in _SLOTS}
        self._threshold = np.float32(parameters.score_threshold)
        self.index_settles_ties = self._settles_by_index()

    def kept(self, boxes: np.ndarray, scores: np.ndarray, floor: float, limits: np.ndarray) -> List[np.ndarray]:
        """What is kept of each class with a score of at least `floor`.

        Args:
            boxes: float32 [n, 4] ymin, xmin, ymax, xmax.
            scores: float32 [c, n], those of a class in a row.
            floor: What is below it is left out.
            limits: int32 [c] how many boxes of a class are taken at most.

        Returns:
            For each class the indexes of boxes, the best first.
        """
        found: List[np.ndarray] = []
        while len(found) < len(scores):
            left = len(scores) - len(found)
            slots = _SLOTS[0] if left > 2 * _SLOTS[1] else _SLOTS[1] if left > 1 else _SLOTS[2]
            part = slice(len(found), len(found) + min(slots, left))
            given = np.full([slots, len(boxes)], self._threshold, np.float32)
            given[:part.stop - part.start] = self._flattened(scores[part], floor)
            limit = np.zeros(slots, np.int32)
            limit[:part.stop - part.start] = limits[part]
            found += self._calls[slots](boxes, given, limit)[:left]
        return [index[row[index] >= floor] for index, row in zip(found, scores)]

    def _flattened(self, scores: np.ndarray, floor: float) -> np.ndarray:
        """The scores with all that are of no interest made equal: the heap takes them in faster.

        Which of the boxes below the floor is the better one makes no difference to those above: they are above all of
        them in the heap, and where in the heap they are depends on the number of boxes alone.
        """
        least = np.nextafter(self._threshold, np.float32(np.inf))
        return scores if floor <= least else np.where((scores > self._threshold) & (scores < floor), least, scores)

    def _settles_by_index(self) -> bool:
        """Ask the kernel itself: 64 boxes apart from each other, with scores of four levels."""
        count = 64
        places = np.arange(count, dtype=np.float32)
        boxes = np.stack([2 * places, 2 * places, 2 * places + 1, 2 * places + 1], axis=1)
        levels = np.arange(count) * 29 % 61 % 4
        least = np.maximum(self._threshold, np.float32(0))
        scores = (least + np.maximum(least, np.float32(1)) * (1 + levels)).astype(np.float32)
        found = self._calls[1](boxes, scores[None], np.array([count], np.int32))[0]
        return bool(np.array_equal(found, np.argsort(-scores, kind="stable")))


@contextlib.contextmanager
def open_kernel(parameters: Parameters) -> Iterator[Kernel]:
    """The kernel in a session of its own."""
    with tf.Graph().as_default() as graph:
        boxes = tf.placeholder(tf.float32, [None, 4], name="boxes")
        thresholds = {"iou_threshold": tf.constant(parameters.iou_threshold, tf.float32),
                      "score_threshold": tf.constant(parameters.score_threshold, tf.float32),
                      "soft_nms_sigma": tf.constant(0, tf.float32)}
        for slots in _SLOTS:
            scores = tf.unstack(tf.placeholder(tf.float32, [slots, None], name=f"scores/{slots}"))
            limits = tf.unstack(tf.placeholder(tf.int32, [slots], name=f"limits/{slots}"))
            for slot in range(slots):
                tf.raw_ops.NonMaxSuppressionV5(boxes=boxes, scores=scores[slot], max_output_size=limits[slot],
                                               **thresholds, name=f"kept/{slots}/{slot}")
    with sessions.session_of(graph, callables.in_this_thread()) as session:
        yield Kernel(sessions.GraphSession(session, "the suppression of overlaps"), parameters)
