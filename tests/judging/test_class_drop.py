"""The gate on single classes."""

from typing import Dict, Optional, Tuple

import numpy as np
import pytest

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Figures, Part
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.settings.gates import Gate
from tests.support.figures import figures_of, metrics, part_of


def _classes(images: int = 40, deviation: float = 0.0, part: Optional[Part] = None, moves: Optional[Jitter] = None,
             **drops: float) -> Figures:
    before = metrics(0.7, **dict.fromkeys(drops, 0.7))
    after = metrics(0.7, **{name: 0.7 - drop for name, drop in drops.items()})
    return figures_of(before, after, part, images, deviation, jitter=moves)


_SOME_PART = part_of(np.full(10, 0.7), np.full(10, 0.7))


def test_the_class_that_lost_most_decides_and_is_named() -> None:
    good = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.01, dog=0.04, cat=-0.2))
    bad = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.07, dog=0.3, cat=-0.2))

    assert [good.outcome, bad.outcome] == [PASS, FAIL]
    assert [good.value, bad.value] == pytest.approx([0.04, 0.3])
    assert "worst classes: dog 0.0400, car 0.0100, cat -0.2000" in good.message
    assert "2 classes: dog 0.3000, car 0.0700" in bad.message


def test_a_class_without_ground_truth_is_not_judged_and_without_any_nothing_is() -> None:
    empty = Metrics({"mAP": None}, {"car": None}, 10, 100)

    with pytest.raises(QuantAccuracyError, match="no ground truth"):
        gates.judge_one(Gate("class_AP_drop", 0.05), figures_of(empty, empty))


@pytest.mark.parametrize("part", [None, _SOME_PART])
def test_a_class_in_fewer_images_than_its_confidence_needs_is_not_judged_and_says_how_many(
        part: Optional[Part]) -> None:
    # Two classes at once with 95 %: 1 - 2^(1 - n) is at least 0.975 from 7 images on.
    verdicts = [gates.judge_one(Gate("class_AP_drop", 0.05), _classes(images, 0.0, part, cup=0.3, dog=0.0))
                for images in (1, 6, 7)]

    assert [verdict.outcome for verdict in verdicts] == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
    assert "2 classes with fewer than the 7 images that a verdict on 2 classes needs: cup 0.3000 in 1" \
        in verdicts[0].message
    assert verdicts[0].interval is None
    assert ("evaluate all shards" in verdicts[0].message) == (part is not None)


@pytest.mark.parametrize(("drop", "on_a_part", "on_all"), [
    (0.01, PASS, PASS), (0.045, INCONCLUSIVE, PASS), (0.055, INCONCLUSIVE, INCONCLUSIVE), (0.2, FAIL, FAIL)])
def test_a_class_fails_only_where_its_whole_interval_lies_beyond_the_limit(drop: float, on_a_part: str,
                                                                           on_all: str) -> None:
    of_part, of_all = (gates.judge_one(Gate("class_AP_drop", 0.05), _classes(40, 0.005, part, dog=drop, car=0.0))
                       for part in (_SOME_PART, None))

    assert [of_part.outcome, of_all.outcome] == [on_a_part, on_all]
    # Two classes at once: Student's t with 39 degrees of freedom holds 97.5 % within 2.33 deviations.
    assert of_part.interval is not None
    assert of_part.interval.high - of_part.interval.low == pytest.approx(2 * 2.331 * 0.005 * (40 / 39) ** 0.5, rel=1e-3)


def test_a_limit_within_the_jitter_of_a_class_cannot_be_judged_and_says_so() -> None:
    values: Dict[str, Dict[str, Tuple[float, ...]]] = {
        jitter.FLOAT_MAP: {"dog": (0.7,) * 9}, jitter.QUANTIZED_MAP: {"dog": (0.7, *[0.676] * 8)}}
    moves = Jitter({}, values, {})
    reach = jitter.tolerance(moves.class_drops()["dog"])

    near, far = (gates.judge_one(Gate("class_AP_drop", 0.05), _classes(40, 0.001, None, moves, dog=drop))
                 for drop in (0.05 - 0.9 * reach, 0.05 - 1.1 * reach))

    assert [near.outcome, far.outcome] == [INCONCLUSIVE, PASS]
    assert "within the numerical jitter of the limit: dog" in near.message
    assert near.jitter == pytest.approx(reach)
