"""Gates by their limits, on the whole data set and on a part of it."""

from typing import Any, Optional

import numpy as np
import pytest

from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Figures, Part
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, GATES, Gate
from tests.support.figures import figures_of, metrics, part_of


def _figures(before: float, after: float, part: Optional[Part] = None, **more: Any) -> Figures:
    return figures_of(metrics(before), metrics(after), part, **more)


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome", "value"), [
    ("float_mAP_floor", 0.5, 0.5, 0.1, PASS, 0.5),
    ("float_mAP_floor", 0.5, 0.4999, 0.9, FAIL, 0.4999),
    ("mAP_floor", 0.5, 0.1, 0.5, PASS, 0.5),
    ("mAP_floor", 0.5, 0.9, 0.49, FAIL, 0.49),
    ("mAP_drop", 0.02, 0.70, 0.69, PASS, 0.01),
    ("mAP_drop", 0.02, 0.70, 0.67, FAIL, 0.03),
    ("mAP_drop", 0.02, 0.70, 0.75, PASS, -0.05),
    ("mAP_ratio", 0.99, 0.70, 0.695, PASS, 0.695 / 0.70),
    ("mAP_ratio", 0.99, 0.70, 0.69, FAIL, 0.69 / 0.70),
])
def test_a_gate_judges_by_its_limit(gate: str, limit: float, before: float, after: float, outcome: str,
                                    value: float) -> None:
    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after))

    assert verdict.outcome == outcome
    assert verdict.value == pytest.approx(value)
    assert f"{limit:g}" in verdict.message


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome"), [
    ("mAP_drop", 0.02, 0.70, 0.695, PASS),
    ("mAP_drop", 0.02, 0.70, 0.670, FAIL),
    ("mAP_drop", 0.02, 0.70, 0.682, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.70, 0.678, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.70, 0.70, PASS),
    ("mAP_ratio", 0.99, 0.70, 0.68, FAIL),
    ("mAP_ratio", 0.99, 0.70, 0.692, INCONCLUSIVE),
    ("mAP_floor", 0.5, 0.70, 0.51, PASS),
    ("mAP_floor", 0.5, 0.70, 0.49, FAIL),
    ("mAP_floor", 0.5, 0.70, 0.5001, INCONCLUSIVE),
])
def test_on_a_part_of_the_data_the_whole_interval_has_to_lie_on_one_side(gate: str, limit: float, before: float,
                                                                         after: float, outcome: str) -> None:
    # Images are harder or easier for both variants alike; their difference is known to about 0.005.
    spread = np.linspace(-0.005, 0.005, 1000)
    part = part_of(np.full(1000, before), after + spread)

    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after, part))

    assert verdict.outcome == outcome
    assert verdict.interval is not None
    assert verdict.value is not None
    assert verdict.interval.low < verdict.value < verdict.interval.high
    assert ("evaluate all shards" in verdict.message or "more shards" in verdict.message) \
        == (outcome == INCONCLUSIVE)


def test_an_inconclusive_verdict_says_how_many_shards_would_settle_it() -> None:
    spread = np.linspace(-0.01, 0.01, 1001)
    # The interval reaches 0.0095 beyond the value, the limit is 0.005 away: (0.0095 / 0.005)^2 = 3.6 times the images.
    part = part_of(np.full(1001, 0.7), 0.685 + spread)

    verdict = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.685, part))

    assert "6 more shards would probably settle it" in verdict.message


def test_every_gate_of_the_cards_has_a_rule() -> None:
    figures = figures_of(metrics(0.5, car=0.5), metrics(0.5, car=0.5))
    names = [gate for gate in GATES if gate != ENCODINGS_DRIFT]

    assert [gates.judge_one(Gate(gate, 0.5, 0.5), figures).gate for gate in names] == names


def test_a_verdict_within_the_jitter_of_its_limit_says_so() -> None:
    moves = Jitter({name: (0.01, *[0.012] * 8) for name in jitter.FIGURES}, {}, {})

    near = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.681, jitter=moves))
    far = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.69, jitter=moves))

    assert near.outcome == far.outcome == PASS
    assert "within the numerical jitter of 0.0024 of the limit" in near.message
    assert "jitter" not in far.message


@pytest.mark.parametrize(("before", "outcome"), [(0.2440, PASS), (0.2498, PASS), (0.2438, FAIL),
                                                 (0.2500, FAIL)])
def test_an_expected_figure_may_be_missed_on_neither_side(before: float, outcome: str) -> None:
    verdict = gates.judge_one(Gate("float_mAP", 0.003, 0.2469), _figures(before, 0.1))

    assert verdict.outcome == outcome
    assert [verdict.lower, verdict.upper] == pytest.approx([0.2439, 0.2499])


def test_the_mean_ap_of_a_part_is_known_downwards_only_by_classes_in_many_images() -> None:
    many, few, low = (gates.judge_one(Gate("mAP_floor", 0.5), _figures(
        0.7, after, part_of(np.full(10, 0.7), np.full(10, after), images=images)))
        for after, images in ((0.7, 40), (0.7, 3), (0.1, 3)))

    # That it is too low can be told all the same: few images make it too high.
    assert [many.outcome, few.outcome, low.outcome] == [PASS, INCONCLUSIVE, FAIL]
    assert "1 of 1 classes count as 0, which fewer than 6 evaluated images show" in few.message


def test_classes_without_images_widen_an_interval_and_forbid_one_where_they_are_more_than_the_others() -> None:
    one, two = (gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.7, part_of(np.full(10, 0.7), np.full(10, 0.7),
                                                                                absent))) for absent in (1, 2))

    assert [one.outcome, two.outcome] == [PASS, INCONCLUSIVE]
    assert "the interval allows for 1 of 2 classes without ground truth" in one.message
    assert "no interval is honest: 2 of 3 classes have no ground truth in the evaluated images" in two.message
    assert two.interval is None


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome"), [
    ("mAP_drop", 0.1, 0.0718, 0.0720, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.0014, 0.0014, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.0014, 0.0014, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.0, 0.0, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.0718, 0.0720, PASS),
    ("mAP_floor", 0.0, 0.0014, 0.0014, PASS),
])
def test_a_comparison_with_next_to_no_accuracy_says_nothing(gate: str, limit: float, before: float, after: float,
                                                            outcome: str) -> None:
    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after))

    assert verdict.outcome == outcome
    assert ("says nothing" in verdict.message) == (outcome == INCONCLUSIVE)
