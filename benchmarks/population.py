"""Made-up data sets like COCO, with the matches of a float and a quantized detector: what intervals are tried on.

Real data sets have no known truth on a part of them, and the drawn demo lacks what makes COCO hard: 80 classes whose
frequencies follow Zipf's law, from half of the images down to a few in a thousand; topics that bring classes together;
several objects of a class in one image; crowded images that are hard; stray boxes near objects, and false alarms. The
quantized variant sees the same images a little worse, with scores on a grid of 8 bits.
"""

from dataclasses import dataclass
from typing import NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.scoring import matching
from quant_accuracy.scoring.matching import Matches

CLASSES = 80
# What the quantized variant suffers: its own noise only, a loss of all classes, or a loss of the rarer half.
NONE, ALIKE, RARE = "none", "all classes alike", "the rarer half of the classes"
DAMAGES = (NONE, ALIKE, RARE)

_TOPICS = 12
# The share of images that show a class; with the exponent 1.1 the rarest one stands in 20 of 5000 images.
_FREQUENCIES = 0.5 / np.arange(1, CLASSES + 1) ** 1.1
# How much of a class's frequency belongs to its own topic.
_TOPIC_SHARE = 0.5
_OBJECTS = 2.5
# How unlike classes are in how easy they are to see, in logits.
_EASE = np.random.RandomState(80).normal(0.0, 0.9, CLASSES)
_TOPIC_OF = np.random.RandomState(81).randint(_TOPICS, size=CLASSES)
# False alarms per image of middling difficulty, and the share of objects with a stray box beside the right one.
_ALARMS = 8.0
_STRAYS = 0.2
# One step of 8 bits over a range of 20, as logits have it.
_STEP = 20.0 / 255.0
# All objects are of medium size.
_AREAS = np.array([True, False, True, False])
# How much worse damaged classes are seen, in logits.
_HARM = {NONE: np.zeros(CLASSES), ALIKE: np.full(CLASSES, 0.12),
         RARE: np.where(np.arange(CLASSES) >= CLASSES // 2, 0.4, 0.0)}


class Pair(NamedTuple):
    """The matches of both variants on the same images."""

    floats: Matches
    quantized: Matches

    def part(self, images: np.ndarray) -> "Pair":
        """The same on some of the images: sorted positions, int64 [n]."""
        return Pair(*(_part(matches, images) for matches in self))


class _Boxes(NamedTuple):
    """Boxes that a variant may return.

    Attributes:
        images: int64 [d].
        categories: int64 [d] positions among the categories.
        logits: float64 [d] of the score.
        fits: float64 [d] logit of the IoU with the object that it finds, -inf where it finds none.
        floats: bool [d], the float variant returns it.
        quantized: bool [d], the quantized variant returns it.
    """

    images: np.ndarray
    categories: np.ndarray
    logits: np.ndarray
    fits: np.ndarray
    floats: np.ndarray
    quantized: np.ndarray


@dataclass(frozen=True)
class _Scenes:
    """What the images show.

    Attributes:
        difficulty: float64 [n] of each image.
        shown: float64 [n, c] how likely each image shows a class, by its topic.
        images: int64 [t] the image of each object.
        categories: int64 [t] its class.
    """

    difficulty: np.ndarray
    shown: np.ndarray
    images: np.ndarray
    categories: np.ndarray


def draw(random: np.random.RandomState, images: int, damage: str = NONE) -> Pair:
    """Images of the population, independent of each other, and what both variants make of them.

    The float variant is the same whatever the damage.
    """
    scenes = _draw_scenes(random, images)
    positives = np.zeros([images, CLASSES, len(_AREAS)], np.int64)
    np.add.at(positives, (scenes.images, scenes.categories), _AREAS)
    evidence = (0.2 + _EASE[scenes.categories] - 0.8 * scenes.difficulty[scenes.images]
                + random.normal(0.0, 1.2, len(scenes.images)))
    harm = _HARM[damage]
    boxes = _joined([_draw_right(random, scenes, evidence, harm), _draw_strays(random, scenes, evidence),
                     _draw_alarms(random, scenes)])
    # Among equal scores of an image any box may come first.
    boxes = _chosen(boxes, random.permutation(len(boxes.images)))
    return Pair(_matches(_chosen(boxes, boxes.floats), positives),
                _matches(_quantized(random, _chosen(boxes, boxes.quantized), images, harm), positives))


def _draw_scenes(random: np.random.RandomState, images: int) -> _Scenes:
    """Difficult images are crowded, and most classes keep to a topic."""
    own = np.minimum(0.95, _FREQUENCIES * (1 + _TOPIC_SHARE * (_TOPICS - 1)))
    likely = np.tile((_FREQUENCIES * _TOPICS - own) / (_TOPICS - 1), (_TOPICS, 1))
    likely[_TOPIC_OF, np.arange(CLASSES)] = own
    shown = likely[random.randint(_TOPICS, size=images)]
    difficulty = random.normal(size=images)
    of_image, of_class = np.nonzero(random.uniform(size=shown.shape) < shown)
    counts = random.geometric(1.0 / (1.0 + (_OBJECTS - 1.0) * np.exp(0.4 * difficulty[of_image])))
    return _Scenes(difficulty, shown, np.repeat(of_image, counts), np.repeat(of_class, counts))


def _draw_right(random: np.random.RandomState, scenes: _Scenes, evidence: np.ndarray, harm: np.ndarray) -> _Boxes:
    """The box for each object: what is plain to see has a better score and a better fit, and is seldom missed."""
    size = len(evidence)
    floats = random.uniform(size=size) < _sigmoid(2.0 + evidence)
    lost = random.uniform(size=size) < 0.01 + 0.15 * harm[scenes.categories]
    regained = random.uniform(size=size) < 0.08
    return _Boxes(scenes.images, scenes.categories, evidence + random.normal(0.0, 0.5, size),
                  1.0 + 0.4 * evidence + random.normal(0.0, 0.7, size), floats, np.where(floats, ~lost, regained))


def _draw_strays(random: np.random.RandomState, scenes: _Scenes, evidence: np.ndarray) -> _Boxes:
    """Second boxes beside some objects, which find none."""
    chosen = np.flatnonzero(random.uniform(size=len(evidence)) < _STRAYS)
    return _wrong(random, scenes.images[chosen], scenes.categories[chosen],
                  evidence[chosen] - 1.5 + random.normal(size=len(chosen)))


def _draw_alarms(random: np.random.RandomState, scenes: _Scenes) -> _Boxes:
    """False alarms, more of them in difficult images, of classes that belong to the topic."""
    images = np.repeat(np.arange(len(scenes.difficulty)), random.poisson(_ALARMS * np.exp(0.3 * scenes.difficulty)))
    shares = np.cumsum(scenes.shown, axis=1)
    drawn = random.uniform(size=len(images)) * shares[images, -1]
    return _wrong(random, images, (drawn[:, None] > shares[images]).sum(axis=1), random.normal(-2.0, 1.2, len(images)))


def _wrong(random: np.random.RandomState, images: np.ndarray, categories: np.ndarray, logits: np.ndarray) -> _Boxes:
    """Boxes that find nothing; either variant has some that the other does not have."""
    kind = random.uniform(size=len(images))
    return _Boxes(images, categories, logits, np.full(len(images), -np.inf), kind > 0.13, kind < 0.87)


def _quantized(random: np.random.RandomState, boxes: _Boxes, images: int, harm: np.ndarray) -> _Boxes:
    """Boxes with the noise of quantization: some of it common to an image, scores on a grid, a looser fit."""
    size = len(boxes.images)
    harmed = np.where(np.isfinite(boxes.fits), harm[boxes.categories], 0.0)
    logits = (boxes.logits + random.normal(0.0, 0.15, images)[boxes.images] + random.normal(0.0, 0.25, size) - harmed)
    return boxes._replace(logits=np.round(logits / _STEP) * _STEP,
                          fits=boxes.fits + random.normal(0.0, 0.2, size) - 0.3 * harmed)


def _matches(boxes: _Boxes, positives: np.ndarray) -> Matches:
    """The record that matching makes of boxes, each of which has an object of its own or none."""
    boxes = _chosen(boxes, np.lexsort((-boxes.logits, boxes.images, boxes.categories)))
    images, categories = positives.shape[:2]
    _, starts, counts = np.unique(boxes.categories * images + boxes.images, return_index=True, return_counts=True)
    ranks = np.arange(len(boxes.images)) - np.repeat(starts, counts)
    boxes, ranks = _chosen(boxes, ranks < matching.MAX_DETECTIONS), ranks[ranks < matching.MAX_DETECTIONS]
    hits = np.where(_sigmoid(boxes.fits)[:, None] >= matching.IOU_THRESHOLDS, matching.RIGHT, matching.WRONG)
    return Matches(np.arange(images), np.arange(categories), np.arange(len(hits)), boxes.images, boxes.categories,
                   ranks, _sigmoid(boxes.logits),
                   np.where(_AREAS[:, None], hits[:, None], matching.UNCOUNTED), positives)


def _part(matches: Matches, images: np.ndarray) -> Matches:
    """The matches of some images: sorted positions, int64 [n]."""
    position = np.full(len(matches.image_ids), -1)
    position[images] = np.arange(len(images))
    rows = np.flatnonzero(position[matches.images] >= 0)
    return Matches(matches.image_ids[images], matches.category_ids, np.arange(len(rows)),
                   position[matches.images[rows]], matches.categories[rows], matches.ranks[rows], matches.scores[rows],
                   matches.outcomes[rows], matches.positives[images])


def _joined(parts: Sequence[_Boxes]) -> _Boxes:
    return _Boxes(*(np.concatenate(columns) for columns in zip(*parts)))


def _chosen(boxes: _Boxes, rows: np.ndarray) -> _Boxes:
    return _Boxes(*(column[rows] for column in boxes))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def aps(pair: Pair) -> Tuple[np.ndarray, np.ndarray]:
    """The AP of each class, float and quantized: float64 [c] twice; NaN without ground truth."""
    from quant_accuracy.scoring import bootstrap

    once = np.ones([1, len(pair.floats.image_ids)], np.int32)
    return bootstrap.class_aps(pair.floats, once)[0], bootstrap.class_aps(pair.quantized, once)[0]
