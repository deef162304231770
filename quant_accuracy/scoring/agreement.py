"""Whether two variants detect the same things: for each detection of the one, whether the other has it too.

No ground truth is asked: what both get wrong alike they agree on. The other variant has a detection where it has one of
the same class in the same place; what became of those that it lacks is told apart.
"""

from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import matching
from quant_accuracy.scoring.chunks import chunks

# Below this overlap two boxes are about different things, as `error_kinds` has it.
_NEAR = 0.1
# So much of the score limit is enough for the other variant: what falls just below the limit is not gone.
OTHER_SCORE = 0.5
# What became of a detection that the other variant lacks.
LOWER_SCORE, OTHER_CLASS, OTHER_PLACE, GONE = REASONS = ("lower score", "other class", "other place", "gone")
# Pairs of detections whose overlap is computed at once.
_CHUNK = 200_000


class Rule(NamedTuple):
    """What it takes to agree.

    Attributes:
        score: Detections from this score on are asked for; of the other variant those from half of it on count.
        iou: Overlap of both boxes, at least.
    """

    score: float
    iou: float


@dataclass(frozen=True)
class Agreement:
    """How many of the detections of one variant the other has too.

    Attributes:
        rule: What was asked.
        asked: int64 [n] by image, in the order of the image ids: detections of the one variant from the score on.
        agreed: int64 [n] how many of these the other has.
        classes: Both numbers, over all images, by category id.
        reasons: Number of those that it lacks, by `REASONS`: the same box with a score that is too low, one of another
            class in this place, one of this class that overlaps too little or is taken already, nothing near.
        ious: float64 [k] overlap of each that it has.
        score_differences: float64 [k] score of the other - score of the one, in the same order.
    """

    rule: Rule
    asked: np.ndarray
    agreed: np.ndarray
    classes: Mapping[int, Tuple[int, int]]
    reasons: Mapping[str, int]
    ious: np.ndarray
    score_differences: np.ndarray

    @property
    def share(self) -> Optional[float]:
        """Share of the detections that the other variant has; None where there is none to ask for."""
        total = int(self.asked.sum())
        return int(self.agreed.sum()) / total if total else None


def measure(one: Merged, other: Merged, rule: Rule) -> Agreement:
    """Look for the detections of one variant among those of another, which has the same images.

    The detections of an image take, best score first, the free one of the other variant that overlaps most; each is
    taken once.

    Args:
        one: Whose detections are asked for.
        other: Where they are looked for.
        rule: What it takes to agree.
    """
    asked = _sorted(one.results, rule.score)
    # As far down as it goes: a score that has sunk too low is told from a box that is gone.
    found = _sorted(other.results, 0.0)
    pairs = _pairs(asked, found, min(rule.iou, _NEAR))
    heard = found.scores[pairs.found] >= OTHER_SCORE * rule.score
    close, alike = pairs.ious >= rule.iou, asked.categories[pairs.asked] == found.categories[pairs.found]
    taken = _dealt(pairs, close & alike & heard, len(asked), len(found))
    agreed = taken >= 0
    images = np.searchsorted(one.image_ids, asked.images)
    count = len(one.image_ids)
    return Agreement(
        rule, np.bincount(images, minlength=count), np.bincount(images[agreed], minlength=count),
        _by_class(asked.categories, agreed),
        _reasons(~agreed, [_any(pairs.asked[chosen], len(asked))
                           for chosen in (close & alike & ~heard, close & ~alike & heard, alike & heard)]),
        matching.iou(asked.boxes[agreed], found.boxes[taken[agreed]], np.zeros(int(agreed.sum()), bool)),
        found.scores[taken[agreed]] - asked.scores[agreed])


class _Pairs(NamedTuple):
    """Detections of both variants in the same image that overlap: rows of either, int64 [p], and float64 [p]."""

    asked: np.ndarray
    found: np.ndarray
    ious: np.ndarray


def _sorted(results: Results, score: float) -> Results:
    """The detections from a score on, image by image, best first."""
    chosen = results.take(results.scores >= score)
    return chosen.take(np.lexsort((-chosen.scores, chosen.images)))


def _pairs(asked: Results, found: Results, least: float) -> _Pairs:
    first, end = (np.searchsorted(found.images, asked.images, side=side) for side in ("left", "right"))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start, stop in chunks(end - first, _CHUNK):
        each = end[start:stop] - first[start:stop]
        rows = np.repeat(np.arange(start, stop), each)
        partners = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each) + np.repeat(first[start:stop], each)
        ious = matching.iou(asked.boxes[rows], found.boxes[partners], np.zeros(len(rows), bool))
        near = ious >= least
        parts.append((rows[near], partners[near], ious[near]))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts)))


def _dealt(pairs: _Pairs, chosen: np.ndarray, asked: int, found: int) -> np.ndarray:
    """Which detection each one takes, among the chosen pairs: int64 [asked]; -1 where none is left."""
    rows = np.flatnonzero(chosen)
    # Rows of either side go from the best score to the worst within an image; equal overlaps: the better score first.
    rows = rows[np.lexsort((pairs.found[rows], -pairs.ious[rows], pairs.asked[rows]))]
    takes, free = [-1] * asked, [True] * found
    for mine, other in zip(pairs.asked[rows].tolist(), pairs.found[rows].tolist()):
        if takes[mine] < 0 and free[other]:
            takes[mine], free[other] = other, False
    return np.array(takes, np.int64)


def _any(rows: np.ndarray, count: int) -> np.ndarray:
    found = np.zeros(count, bool)
    found[rows] = True
    return found


def _by_class(categories: np.ndarray, agreed: np.ndarray) -> Dict[int, Tuple[int, int]]:
    return {int(category): (int((categories == category).sum()), int(agreed[categories == category].sum()))
            for category in np.unique(categories)}


def _reasons(lacking: np.ndarray, seen: Sequence[np.ndarray]) -> Dict[str, int]:
    """The first reason that holds for each; where none does, there is nothing near."""
    kinds = np.select([lacking & reason for reason in seen], range(len(seen)), len(seen))[lacking]
    return dict(zip(REASONS, np.bincount(kinds, minlength=len(REASONS)).tolist()))
