"""How often the suite's 95 % intervals cover the truth: `./run python -m benchmarks.interval_coverage`.

A trial takes a few images of a made-up data set of 5000 (`benchmarks/population.py`), makes the intervals of its
figures as an evaluation of a part does, and looks whether they hold the figures of the whole data set.
"""

import functools
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from benchmarks import population
from benchmarks.population import Pair
from quant_accuracy.judging import gates
from quant_accuracy.judging.verdicts import Classes, Figures, Part
from quant_accuracy.scoring import bootstrap
from quant_accuracy.scoring.intervals import Interval, percentile_interval, student_interval
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps, joint_confidence
from quant_accuracy.settings.gates import CLASS_DROP, Gate

# Images of a part, and how many trials.
SIZES = {30: 100, 100: 200, 300: 120, 1000: 60}
DATA_SET = 5000
_DATA_SETS = 10
_RESAMPLES = 400
_SEED = 1979
DROP, RATIO, FLOAT, QUANTIZED, PLAIN = "mAP drop", "mAP ratio", "float mAP", "quantized mAP", "mAP drop, percentiles"
# Numbers of images of a class that are told apart.
BINS = ((1, 1), (2, 2), (3, 5), (6, 11), (12, 18), (19, 30), (31, 60), (61, 10_000))
# The limits that healthy models are judged by, as cards of COCO have them.
LIMITS = {"mAP_drop": 0.02, "mAP_ratio": 0.95, "mAP_floor": 0.3, CLASS_DROP: 0.05}


class Truth(NamedTuple):
    """A whole data set.

    Attributes:
        pair: Its matches.
        floats: float64 [c] AP of each class of the float variant.
        quantized: float64 [c] of the quantized variant.
        images: int64 [c] how many images show each class.
    """

    pair: Pair
    floats: np.ndarray
    quantized: np.ndarray
    images: np.ndarray

    def figures(self) -> Dict[str, float]:
        """The figures that intervals should hold, by name."""
        before, after = float(self.floats.mean()), float(self.quantized.mean())
        return {DROP: before - after, PLAIN: before - after, RATIO: after / before, FLOAT: before, QUANTIZED: after}


class ClassTrial(NamedTuple):
    """What a trial says of one class.

    Attributes:
        images: How many images of the part show it.
        error: Its AP drop on the part - that of the whole data set.
        plain: The percentile interval of the drop.
        alone: The suite's interval of it, for one class alone; None where one image shows it.
        joint: The same, for all classes at once.
        truth: Its AP drop on the whole data set.
    """

    images: int
    error: float
    plain: Interval
    alone: Optional[Interval]
    joint: Optional[Interval]
    truth: float


class Trial(NamedTuple):
    """What one evaluation of a part says.

    Attributes:
        values: The figures as measured, by name.
        truths: Those of the whole data set.
        intervals: Where the suite says that they lie; None where it says nothing.
        classes: The same for each class.
        outcomes: What gates with `LIMITS` say.
    """

    values: Dict[str, float]
    truths: Dict[str, float]
    intervals: Dict[str, Optional[Interval]]
    classes: Sequence[ClassTrial]
    outcomes: Dict[str, str]


class Estimate(NamedTuple):
    """How well intervals of one figure do in many trials.

    Attributes:
        without: The share of trials without an interval.
        covered: The share of intervals that hold the truth.
        above: The share of intervals that lie above it.
        below: The share of intervals that lie below it.
        width: Mean width.
        bias: Mean of measured figure - truth, over all trials.
    """

    without: float
    covered: float
    above: float
    below: float
    width: float
    bias: float


@functools.lru_cache(maxsize=1)
def data_set(number: int, damage: str, images: int = DATA_SET) -> Truth:
    """One of the data sets; the same for the same arguments."""
    pair = population.draw(np.random.RandomState([_SEED, number]), images, damage)
    return Truth(pair, *population.aps(pair), pair.floats.class_images())


def trial(truth: Truth, images: int, seed: int, resamples: int = _RESAMPLES) -> Trial:
    """Evaluate so many images of a data set, drawn without replacement."""
    whole = len(truth.pair.floats.image_ids)
    chosen = np.sort(np.random.RandomState([seed, images]).choice(whole, images, replace=False))
    pair = truth.pair.part(chosen)
    weights = bootstrap.draw(images, resamples)
    before, after = population.aps(pair)
    samples = [bootstrap.class_aps(matches, weights) for matches in pair]
    shown = ClassImages(pair.floats.class_images(), truth.images)
    aps = PartialAps(before, after, samples[0], samples[1], shown, images / whole)
    deviations = bootstrap.drop_deviations(samples[0], samples[1])
    floats, quantized = float(np.nanmean(before)), float(np.nanmean(after))
    with np.errstate(invalid="ignore"):
        plain = percentile_interval(np.nanmean(samples[0], axis=1) - np.nanmean(samples[1], axis=1))
    part = Part(aps, images, 1, 9)
    classes = Classes(shown, deviations, pair.floats.positives[:, :, 0].sum(axis=0))
    figures = Figures(_metrics(before), _metrics(after), classes, part, None, None, None, {}, "mine")
    return Trial(
        {DROP: floats - quantized, PLAIN: floats - quantized, RATIO: quantized / floats, FLOAT: floats,
         QUANTIZED: quantized},
        truth.figures(),
        {DROP: aps.drop(), PLAIN: plain, RATIO: aps.ratio(), FLOAT: aps.mean_ap(quantized=False),
         QUANTIZED: aps.mean_ap(quantized=True)},
        _class_trials(truth, before - after, samples[0] - samples[1], deviations, shown),
        {name: gates.judge_one(Gate(name, limit), figures).outcome for name, limit in LIMITS.items()})


def _metrics(aps: np.ndarray) -> Metrics:
    return Metrics({"mAP": float(np.nanmean(aps))},
                   {str(number): None if np.isnan(ap) else float(ap) for number, ap in enumerate(aps)}, 0, 0)


def _class_trials(truth: Truth, drops: np.ndarray, samples: np.ndarray, deviations: np.ndarray,
                  shown: ClassImages) -> List[ClassTrial]:
    found = []
    truths = truth.floats - truth.quantized
    for number in np.flatnonzero(shown.evaluated):
        drop, images, deviation = float(drops[number]), int(shown.evaluated[number]), float(deviations[number])
        intervals = [student_interval(drop, deviation, images, confidence) if images > 1 else None
                     for confidence in (0.95, joint_confidence(shown.classes))]
        found.append(ClassTrial(images, drop - float(truths[number]), percentile_interval(samples[:, number]),
                                intervals[0], intervals[1], float(truths[number])))
    return found


def run(images: int, damage: str, trials: int) -> List[Trial]:
    """So many trials, the same number from each data set; the same for the same arguments."""
    return [trial(data_set(number % _DATA_SETS, damage), images, seed)
            for number in range(_DATA_SETS) for seed in range(trials) if seed % _DATA_SETS == number]


def estimate(intervals: Sequence[Optional[Interval]], values: Sequence[float], truths: Sequence[float]) -> Estimate:
    """How well intervals and measured figures of the same trials agree with the truths."""
    known = [(interval, truth) for interval, truth in zip(intervals, truths) if interval is not None]
    bias = float(np.mean(np.subtract(values, truths)))
    if not known:
        return Estimate(1.0, float("nan"), float("nan"), float("nan"), float("nan"), bias)
    low, high = np.array([interval for interval, _ in known]).T
    truth = np.array([value for _, value in known])
    above, below = float(np.mean(low > truth)), float(np.mean(high < truth))
    return Estimate(1.0 - len(known) / len(intervals), 1.0 - above - below, above, below, float(np.mean(high - low)),
                    bias)


def of_figure(trials: Sequence[Trial], name: str) -> Estimate:
    """How well the intervals of one figure do."""
    return estimate([one.intervals[name] for one in trials], [one.values[name] for one in trials],
                    [one.truths[name] for one in trials])


def as_markdown(measured: Dict[Tuple[int, str], List[Trial]]) -> str:
    """Three tables: figures, single classes, and verdicts on a healthy model."""
    lines = ["| images | damage | 95 % interval of | no interval | covers | above | below | mean width | bias |",
             "|--|--|--|--|--|--|--|--|--|"]
    for (images, damage), trials in measured.items():
        if damage == population.NONE:
            continue
        for name in (DROP, PLAIN, RATIO, FLOAT, QUANTIZED):
            lines.append(f"| {images} | {damage} | {name} | {_cells(of_figure(trials, name))} |")
    every = [one for trials in measured.values() for each in trials for one in each.classes]
    lines += ["", "| images that show the class | classes | percentiles cover | Student's t covers "
              "| joint interval above the truth | below |", "|--|--|--|--|--|--|"]
    for low, high in BINS:
        chosen = [one for one in every if low <= one.images <= high]
        if not chosen:
            continue
        lines.append(f"| {low if low == high else f'{low} to {high}' if high < 10_000 else f'{low} and more'} "
                     f"| {len(chosen)} | {_class_cells(chosen)} |")
    lines += ["", "| images | " + " | ".join(f"{name}, limit {limit:g}" for name, limit in LIMITS.items()) + " |",
              "|--|" + "--|" * len(LIMITS)]
    for (images, damage), trials in measured.items():
        if damage == population.NONE:
            cells = [" / ".join(str(sum(one.outcomes[name] == kind for one in trials))
                                for kind in ("pass", "inconclusive", "fail")) for name in LIMITS]
            lines.append(f"| {images} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(found: Estimate) -> str:
    if np.isnan(found.covered):
        return f"{100 * found.without:.0f} % | – | – | – | – | {found.bias:+.4f}"
    shares = " | ".join(f"{100 * share:.1f} %" for share in (found.covered, found.above, found.below))
    return f"{100 * found.without:.0f} % | {shares} | {found.width:.4f} | {found.bias:+.4f}"


def _class_cells(classes: Sequence[ClassTrial]) -> str:
    plain = np.mean([one.plain.low <= one.truth <= one.plain.high for one in classes])
    if classes[0].alone is None:
        return f"{100 * plain:.1f} % | – | – | –"
    alone = np.mean([one.alone is not None and one.alone.low <= one.truth <= one.alone.high for one in classes])
    above = np.mean([one.joint is not None and one.joint.low > one.truth for one in classes])
    below = np.mean([one.joint is not None and one.joint.high < one.truth for one in classes])
    return f"{100 * plain:.1f} % | {100 * alone:.1f} % | {100 * above:.3f} % | {100 * below:.3f} %"


def measure() -> Dict[Tuple[int, str], List[Trial]]:
    """All trials of the page."""
    return {(images, damage): run(images, damage, trials)
            for images, trials in SIZES.items() for damage in population.DAMAGES}


def main() -> None:
    """Print the tables."""
    print(as_markdown(measure()))


if __name__ == "__main__":
    main()
