"""Intervals of COCO's figures, against what anybody can compute from the same resamples."""

from pathlib import Path
from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import bootstrap, coco, figure_intervals, matching
from quant_accuracy.scoring.figure_intervals import FigureIntervals, Scored
from quant_accuracy.scoring.intervals import bias_corrected_interval
from quant_accuracy.scoring.metrics import FIGURES
from tests.test_bootstrap import _random_detections
from tests.test_scoring import _random_truth

_WEIGHTS = bootstrap.draw(25, resamples=60)


def _scored(truth: Annotations, merged: Merged) -> Scored:
    matches = matching.match(merged, truth)
    return Scored(matches, coco.score_matches(matches, truth, len(merged.results)))


@pytest.fixture(scope="module")
def both() -> Tuple[Scored, Scored]:
    """Two variants on the same images, the second one worse."""
    truth = _random_truth(np.random.RandomState(5), images=25)
    before, after = (_random_detections(np.random.RandomState(6), truth, share) for share in (0.9, 0.6))
    return _scored(truth, before), _scored(truth, after)


@pytest.fixture(scope="module")
def found(both: Tuple[Scored, Scored]) -> FigureIntervals:
    return figure_intervals.measure(*both, _WEIGHTS)


def test_every_figure_of_a_variant_has_the_interval_that_gates_judge_floors_by(both: Tuple[Scored, Scored],
                                                                               found: FigureIntervals) -> None:
    assert found.resamples == 60
    for side, intervals in zip(both, (found.before, found.after)):
        samples = bootstrap.figures(side.matches, _WEIGHTS)
        assert list(intervals) == list(FIGURES)
        for name, interval in intervals.items():
            value = side.metrics.figures[name]
            assert value is not None
            assert interval == bias_corrected_interval(samples[name], value)


def test_differences_have_percentiles_of_what_both_variants_have_on_the_same_images(
        both: Tuple[Scored, Scored], found: FigureIntervals) -> None:
    before, after = (bootstrap.figures(side.matches, _WEIGHTS) for side in both)
    for name, interval in found.drop.items():
        assert interval == pytest.approx(np.percentile(before[name] - after[name], [2.5, 97.5]), abs=1e-12)
    old, new = (bootstrap.class_aps(side.matches, _WEIGHTS) for side in both)
    for position, name in enumerate(("class 1", "class 3", "class 7")):
        assert found.class_drop[name] == pytest.approx(
            np.nanpercentile((old - new)[:, position], [2.5, 97.5]), abs=1e-12)


def test_what_was_drawn_before_is_used_again_and_gives_the_same(both: Tuple[Scored, Scored],
                                                                found: FigureIntervals) -> None:
    before, after = (side._replace(aps=bootstrap.threshold_aps(side.matches, _WEIGHTS)) for side in both)

    assert figure_intervals.measure(before, after, _WEIGHTS) == found


def test_what_has_no_ground_truth_has_no_interval(found: FigureIntervals) -> None:
    assert found.class_drop["class 9"] is None
    truth = Annotations(Path("empty.json"), {"images": [{"id": 1}], "annotations": [], "categories": []}, {1: {}},
                        {1: "car"})
    side = _scored(truth, Merged(np.array([1]), Results.from_rows([])))

    nothing = figure_intervals.measure(side, side, np.ones([10, 1], np.int64))

    assert {*nothing.before.values(), *nothing.after.values(), *nothing.drop.values(),
            *nothing.class_drop.values()} == {None}


def test_equal_variants_differ_by_exactly_nothing(both: Tuple[Scored, Scored]) -> None:
    same = figure_intervals.measure(both[0], both[0], _WEIGHTS)

    assert {interval for interval in same.drop.values() if interval} == {(0.0, 0.0)}
