"""Intervals of COCO's figures, against what anybody can compute from the same resamples."""

from pathlib import Path
from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import bootstrap, coco, figure_intervals, matching
from quant_accuracy.scoring.figure_intervals import FigureIntervals, Scored
from quant_accuracy.scoring.intervals import student_interval
from quant_accuracy.scoring.metrics import FIGURES
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from tests.support.detections import random_detections, random_truth

_WEIGHTS = bootstrap.draw(25, resamples=60)


def _scored(truth: Annotations, merged: Merged) -> Scored:
    matches = matching.match(merged, truth)
    return Scored(matches, coco.score_matches(matches, truth, len(merged.results)))


def _measure(before: Scored, after: Scored, weights: np.ndarray, all_images: np.ndarray) -> FigureIntervals:
    return figure_intervals.measure({FLOAT: before, QUANTIZED: after}, [VARIANTS], weights, all_images)


@pytest.fixture(scope="module")
def both() -> Tuple[Scored, Scored]:
    """Two variants on the same images, the second one worse."""
    truth = random_truth(np.random.RandomState(5), images=25)
    before, after = (random_detections(np.random.RandomState(6), truth, share) for share in (0.9, 0.6))
    return _scored(truth, before), _scored(truth, after)


@pytest.fixture(scope="module")
def found(both: Tuple[Scored, Scored]) -> FigureIntervals:
    return _measure(*both, _WEIGHTS, _all(both[0]))


def _all(side: Scored) -> np.ndarray:
    """All images are evaluated."""
    return np.stack([side.matches.class_images(area) for area in range(len(matching.AREAS))], axis=1)


def test_every_figure_has_the_intervals_that_gates_judge_by(both: Tuple[Scored, Scored],
                                                            found: FigureIntervals) -> None:
    assert found.resamples == 60
    once = np.ones([1, 25], np.int32)
    for name in FIGURES:
        values = [bootstrap.class_figures(side.matches, once)[name][0] for side in both]
        samples = [bootstrap.class_figures(side.matches, _WEIGHTS)[name] for side in both]
        shown = both[0].matches.class_images(coco.area_of(name))
        aps = PartialAps(values[0], values[1], samples[0], samples[1], ClassImages(shown, shown))

        assert found.variants[FLOAT][name] == aps.mean_ap(quantized=False)
        assert found.variants[QUANTIZED][name] == aps.mean_ap(quantized=True)
        assert found.drops[VARIANTS][name] == aps.drop()
        # What is averaged here are COCO's own figures.
        for side, of_side in zip(both, values):
            assert np.nanmean(of_side) == pytest.approx(side.metrics.figures[name])


def test_a_class_has_an_interval_where_enough_images_show_it(both: Tuple[Scored, Scored],
                                                             found: FigureIntervals) -> None:
    before, after = (bootstrap.class_aps(side.matches, _WEIGHTS) for side in both)
    shown = both[0].matches.class_images()
    for position, (name, interval) in enumerate(found.class_drops[VARIANTS].items()):
        if shown[position] < ClassImages(shown, shown).least:
            assert interval is None
            continue
        deviation = np.nanstd(before[:, position] - after[:, position], ddof=1)
        drop = (both[0].metrics.per_class[name] or 0.0) - (both[1].metrics.per_class[name] or 0.0)
        assert interval == pytest.approx(student_interval(drop, deviation, shown[position]))
    assert any(interval is not None for interval in found.class_drops[VARIANTS].values())


def test_what_was_drawn_before_is_used_again_and_gives_the_same(both: Tuple[Scored, Scored],
                                                                found: FigureIntervals) -> None:
    before, after = (side._replace(aps=bootstrap.threshold_aps(side.matches, _WEIGHTS)) for side in both)

    assert _measure(before, after, _WEIGHTS, _all(before)) == found


def test_what_has_no_ground_truth_has_no_interval(found: FigureIntervals) -> None:
    assert found.class_drops[VARIANTS]["class 9"] is None
    truth = Annotations(Path("empty.json"), {"images": [{"id": 1}], "annotations": [], "categories": []}, {1: {}},
                        {1: "car"})
    side = _scored(truth, Merged(np.array([1]), Results.from_rows([])))

    nothing = _measure(side, side, np.ones([10, 1], np.int64), _all(side))

    assert {*nothing.variants[FLOAT].values(), *nothing.variants[QUANTIZED].values(), *nothing.drops[VARIANTS].values(),
            *nothing.class_drops[VARIANTS].values()} == {None}


def test_equal_variants_differ_by_exactly_nothing(both: Tuple[Scored, Scored]) -> None:
    same = _measure(both[0], both[0], _WEIGHTS, _all(both[0]))

    assert {interval for interval in same.drops[VARIANTS].values() if interval} == {(0.0, 0.0)}


def test_more_images_of_a_class_than_were_evaluated_leave_single_figures_open(both: Tuple[Scored, Scored],
                                                                              found: FigureIntervals) -> None:
    more = _all(both[0])
    # A class that no evaluated image shows stands in the rest of the data set.
    absent = list(both[0].metrics.per_class).index("class 9")
    more[absent] = 5

    of_part = _measure(*both, _WEIGHTS, more)

    known, wider = found.variants[FLOAT]["mAP"], of_part.variants[FLOAT]["mAP"]
    assert known is not None
    assert wider is not None
    assert wider.low < known.low


def test_a_third_variant_changes_nothing_of_the_others(both: Tuple[Scored, Scored], found: FigureIntervals) -> None:
    pairs = [(FLOAT, QUANTIZED), (QUANTIZED, DEVICE), (FLOAT, DEVICE)]
    sides = {FLOAT: both[0], QUANTIZED: both[1], DEVICE: both[0]}

    three = figure_intervals.measure(sides, pairs, _WEIGHTS, _all(both[0]))

    assert {name: three.variants[name] for name in VARIANTS} == found.variants
    assert three.drops[VARIANTS] == found.drops[VARIANTS]
    assert three.class_drops[VARIANTS] == found.class_drops[VARIANTS]
    # The device is the float variant again.
    assert three.variants[DEVICE] == found.variants[FLOAT]
    assert {interval for interval in three.drops[FLOAT, DEVICE].values() if interval} == {(0.0, 0.0)}
    back, there = three.drops[QUANTIZED, DEVICE]["mAP"], found.drops[VARIANTS]["mAP"]
    assert back is not None
    assert there is not None
    assert back == pytest.approx((-there.high, -there.low))
