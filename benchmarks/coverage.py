"""How often the suite's 95 % intervals cover the truth: `./run python -m benchmarks.coverage`.

Real data sets have no known truth, so detections are made up: images come independently from a population whose float
and quantized mAP are known from very many of them. Each trial draws a few images, makes the intervals as an evaluation
does, and looks whether they hold the population's figures. What makes images alike and unlike is as in COCO: categories
of very different frequency, several objects of a category in one image, crowded images that are hard, stray boxes near
objects, false alarms, and a quantized variant that sees the same image a little worse, with scores on a grid of 8 bits.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple, Sequence, Tuple

import numpy as np

from quant_accuracy.scoring import bootstrap, matching
from quant_accuracy.scoring.intervals import Interval, bias_corrected_interval, percentile_interval
from quant_accuracy.scoring.matching import Matches

TRIALS = 300
SIZES = (40, 200, 500)
_POPULATION_SEED = 1979
# Resamples on which the float variant is compared with itself.
_SAME = 50

# The share of images that show a category, and the mean number of its objects there in an image of middling difficulty.
_FREQUENCIES = np.array([0.7, 0.35, 0.15, 0.06])
_OBJECTS = 2.5
# How much easier a category is to see than others, in logits.
_EASE = np.array([0.3, -0.8, 0.7, 0.0])
# False alarms per image of middling difficulty, and the share of objects with a stray box beside the right one.
_ALARMS = 6.0
_STRAYS = 0.2
# One step of 8 bits over a range of 20, as logits have it.
_STEP = 20.0 / 255.0
# All objects are of medium size.
_AREAS = np.array([True, False, True, False])


class Pair(NamedTuple):
    """The matches of both variants on the same images."""

    floats: Matches
    quantized: Matches


@dataclass(frozen=True)
class Population:
    """What very many images give.

    Attributes:
        images: How many they are, all sets together.
        floats: mAP of the float variant.
        quantized: mAP of the quantized variant.
        difference: Float mAP - quantized mAP.
        difference_error: Standard error of the difference.
        quantized_error: Standard error of the quantized mAP.
    """

    images: int
    floats: float
    quantized: float
    difference: float
    difference_error: float
    quantized_error: float


class Trial(NamedTuple):
    """What one evaluation of a few images says.

    Attributes:
        difference: Float mAP - quantized mAP on these images.
        paired: The suite's interval of the difference.
        unpaired: The interval of the difference when either variant is scored on a different resample.
        quantized: Quantized mAP on these images.
        alone: The suite's interval of the quantized mAP.
        same: The suite's interval of the difference between the float variant and itself.
    """

    difference: float
    paired: Interval
    unpaired: Interval
    quantized: float
    alone: Interval
    same: Interval


@dataclass(frozen=True)
class Estimates:
    """How well the intervals of one figure do in many trials.

    Attributes:
        covered: The share of intervals that hold the population's figure.
        above: The share of intervals that lie above it.
        below: The share of intervals that lie below it.
        width: Mean width.
        bias: Mean of the measured figures - the population's figure.
        spread: Standard deviation of the measured figures.
    """

    covered: float
    above: float
    below: float
    width: float
    bias: float
    spread: float

    @property
    def relative_width(self) -> float:
        """Mean width over the width that holds 95 % of normal figures with this spread."""
        return self.width / (2 * 1.96 * self.spread)


@dataclass(frozen=True)
class Coverage:
    """How well the suite's intervals do in many trials with so many images each.

    Attributes:
        trials: Number of trials.
        images: Number of images of each trial.
        paired: Of the difference, both variants on the same resamples, as the suite has it.
        unpaired: Of the difference, either variant on a different resample.
        quantized: Of the quantized mAP.
        zeros: The share of intervals between the float variant and itself that are exactly [0, 0].
    """

    trials: int
    images: int
    paired: Estimates
    unpaired: Estimates
    quantized: Estimates
    zeros: float


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


def run(trials: int = TRIALS, images: int = 200, seed: int = 0) -> Coverage:
    """How often the intervals of so many trials cover the population's figures; the same for the same arguments."""
    return judge([trial(images, seed, number) for number in range(trials)], images, population())


def judge(found: Sequence[Trial], images: int, truth: Population) -> Coverage:
    """How often the intervals of trials with so many images cover the population's figures."""
    differences, quantized = [one.difference for one in found], [one.quantized for one in found]
    return Coverage(len(found), images,
                    estimates([one.paired for one in found], differences, truth.difference),
                    estimates([one.unpaired for one in found], differences, truth.difference),
                    estimates([one.alone for one in found], quantized, truth.quantized),
                    float(np.mean([one.same == (0.0, 0.0) for one in found])))


@functools.lru_cache(maxsize=None)
def population(sets: int = 10, images: int = 50_000) -> Population:
    """The population's figures: the mean over so many sets of so many images each."""
    found = np.array([_both(draw_pair(np.random.RandomState([_POPULATION_SEED, number]), images))
                      for number in range(sets)])
    floats, quantized = found.mean(axis=0)
    errors = [values.std(ddof=1) / np.sqrt(sets) for values in (found[:, 0] - found[:, 1], found[:, 1])]
    return Population(sets * images, float(floats), float(quantized), float(floats - quantized), *map(float, errors))


def trial(images: int, seed: int, number: int, resamples: int = bootstrap.RESAMPLES) -> Trial:
    """Draw images from the population, and make the intervals from them as an evaluation does.

    Args:
        images: How many.
        seed: Of all trials.
        number: Of this trial.
        resamples: Fewer are quicker, and leave the ends of the intervals less certain.
    """
    pair = draw_pair(np.random.RandomState([seed, images, number]), images)
    weights = bootstrap.draw(images, resamples)
    before, after = (bootstrap.mean_aps(matches, weights) for matches in pair)
    again = bootstrap.mean_aps(pair.floats, weights[:_SAME])
    # Two resamples are independent of each other.
    elsewhere = np.roll(after, 1)
    floats, quantized = _both(pair)
    return Trial(floats - quantized, percentile_interval(before - after), percentile_interval(before - elsewhere),
                 quantized, bias_corrected_interval(after, quantized), percentile_interval(before[:_SAME] - again))


def estimates(intervals: Sequence[Interval], measured: Sequence[float], truth: float) -> Estimates:
    """How well intervals and measured figures of the same trials agree with the truth."""
    low, high = np.array(intervals).T
    above, below = float(np.mean(low > truth)), float(np.mean(high < truth))
    return Estimates(1.0 - above - below, above, below, float(np.mean(high - low)), float(np.mean(measured) - truth),
                     float(np.std(measured, ddof=1)))


def _both(pair: Pair) -> Tuple[float, float]:
    """Float and quantized mAP of all images, once each."""
    once = np.ones([1, len(pair.floats.image_ids)], np.int64)
    floats, quantized = (float(bootstrap.mean_aps(matches, once)[0]) for matches in pair)
    return floats, quantized


def draw_pair(random: np.random.RandomState, images: int) -> Pair:
    """Images of the population, independent of each other, and what both variants make of them."""
    difficulty = random.normal(size=images)
    owners, categories = _draw_objects(random, difficulty)
    positives = np.zeros([images, len(_FREQUENCIES), len(_AREAS)], np.int64)
    np.add.at(positives, (owners, categories), _AREAS)
    evidence = 1.0 + _EASE[categories] - 0.8 * difficulty[owners] + random.normal(0.0, 1.2, len(owners))
    boxes = _joined([_draw_right(random, owners, categories, evidence),
                     _draw_strays(random, owners, categories, evidence),
                     _draw_alarms(random, difficulty)])
    # Among equal scores of an image any box may come first.
    boxes = _chosen(boxes, random.permutation(len(boxes.images)))
    return Pair(_matches(_chosen(boxes, boxes.floats), positives),
                _matches(_quantized(random, _chosen(boxes, boxes.quantized), images), positives))


def _draw_objects(random: np.random.RandomState, difficulty: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Image and category of each object; difficult images are crowded."""
    shown = random.uniform(size=[len(difficulty), len(_FREQUENCIES)]) < _FREQUENCIES
    images, categories = np.nonzero(shown)
    counts = random.geometric(1.0 / (1.0 + (_OBJECTS - 1.0) * np.exp(0.4 * difficulty[images])))
    return np.repeat(images, counts), np.repeat(categories, counts)


def _draw_right(random: np.random.RandomState, images: np.ndarray, categories: np.ndarray,
                evidence: np.ndarray) -> _Boxes:
    """The box for each object: what is plain to see has a better score and a better fit, and is seldom missed."""
    size = len(images)
    floats = random.uniform(size=size) < _sigmoid(2.0 + evidence)
    lost = random.uniform(size=size) < _sigmoid(-4.0 - evidence)
    regained = random.uniform(size=size) < 0.1
    return _Boxes(images, categories, evidence + random.normal(0.0, 0.5, size),
                  1.3 + 0.4 * evidence + random.normal(0.0, 0.7, size), floats, np.where(floats, ~lost, regained))


def _draw_strays(random: np.random.RandomState, images: np.ndarray, categories: np.ndarray,
                 evidence: np.ndarray) -> _Boxes:
    """Second boxes beside some objects, which find none."""
    chosen = np.flatnonzero(random.uniform(size=len(images)) < _STRAYS)
    return _wrong(random, images[chosen], categories[chosen],
                  evidence[chosen] - 1.5 + random.normal(size=len(chosen)))


def _draw_alarms(random: np.random.RandomState, difficulty: np.ndarray) -> _Boxes:
    """False alarms, more of them in difficult images, for frequent categories above all."""
    images = np.repeat(np.arange(len(difficulty)), random.poisson(_ALARMS * np.exp(0.3 * difficulty)))
    categories = random.choice(len(_FREQUENCIES), len(images), p=_FREQUENCIES / _FREQUENCIES.sum())
    return _wrong(random, images, categories, random.normal(-2.0, 1.2, len(images)))


def _wrong(random: np.random.RandomState, images: np.ndarray, categories: np.ndarray, logits: np.ndarray) -> _Boxes:
    """Boxes that find nothing; either variant has some that the other does not have."""
    kind = random.uniform(size=len(images))
    return _Boxes(images, categories, logits, np.full(len(images), -np.inf), kind > 0.13, kind < 0.87)


def _quantized(random: np.random.RandomState, boxes: _Boxes, images: int) -> _Boxes:
    """Boxes with the noise of quantization: some of it common to an image, scores on a grid, a looser fit."""
    size = len(boxes.images)
    logits = boxes.logits + random.normal(0.0, 0.15, images)[boxes.images] + random.normal(0.0, 0.25, size)
    return boxes._replace(logits=np.round(logits / _STEP) * _STEP, fits=boxes.fits + random.normal(-0.05, 0.2, size))


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


def _joined(parts: Sequence[_Boxes]) -> _Boxes:
    return _Boxes(*(np.concatenate(columns) for columns in zip(*parts)))


def _chosen(boxes: _Boxes, rows: np.ndarray) -> _Boxes:
    return _Boxes(*(column[rows] for column in boxes))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def as_markdown(truth: Population, measured: Sequence[Coverage]) -> str:
    """The population's figures and a table of what the intervals of each number of images do."""
    lines = [f"Population: float mAP {truth.floats:.4f}, quantized mAP {truth.quantized:.4f} +- "
             f"{truth.quantized_error:.4f}, difference {truth.difference:.4f} +- {truth.difference_error:.4f} "
             f"(standard errors, from {truth.images} images).", "",
             "| images | trials | 95 % interval of | covers | above | below | mean width | bias | spread "
             "| width / (3.92 spread) |", "|--|--|--|--|--|--|--|--|--|--|"]
    for found in measured:
        rows = [("difference, paired", found.paired), ("difference, unpaired", found.unpaired),
                ("quantized mAP", found.quantized)]
        lines += [f"| {found.images} | {found.trials} | {name} | {_cells(figures)} |" for name, figures in rows]
        lines.append(f"| {found.images} | {found.trials} | float against itself: exactly [0, 0] "
                     f"| {100 * found.zeros:.1f} % | | | | | | |")
    return "\n".join(lines)


def _cells(figures: Estimates) -> str:
    shares = " | ".join(f"{100 * share:.1f} %" for share in (figures.covered, figures.above, figures.below))
    return (f"{shares} | {figures.width:.4f} | {figures.bias:+.4f} | {figures.spread:.4f} "
            f"| {figures.relative_width:.2f}")


def main() -> None:
    """Print the table for all numbers of images."""
    print(as_markdown(population(), [run(images=images) for images in SIZES]))


if __name__ == "__main__":
    main()
