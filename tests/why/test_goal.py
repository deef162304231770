"""What failed gates ask for."""

from typing import List, Optional

import pytest

from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Verdict
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import goal


def _metrics(mean_ap: Optional[float], **classes: Optional[float]) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


def _verdict(gate: str, value: Optional[float], lower: Optional[float] = None, upper: Optional[float] = None,
             outcome: str = FAIL) -> Verdict:
    return Verdict(gate, value, lower, upper, outcome, "")


@pytest.mark.parametrize(("verdicts", "needed", "class_drop"), [
    ([_verdict("mAP_floor", 0.5, lower=0.55)], 0.55, None),
    ([_verdict("mAP_drop", 0.1, upper=0.02)], 0.58, None),
    ([_verdict("mAP_ratio", 0.5 / 0.6, lower=0.99)], 0.594, None),
    ([_verdict("mAP_drop", 0.1, upper=0.02), _verdict("mAP_ratio", 0.8, lower=0.99)], 0.594, None),
    ([_verdict("class_AP_drop", 0.1, upper=0.05)], None, 0.05),
    ([_verdict("mAP_baseline", 0.5, 0.586, 0.593)], 0.586, None),
    # On a part of the shards a baseline compares means over shards.
    ([_verdict("mAP_baseline", 0.52, 0.586, 0.593)], 0.566, None),
    # The stricter gates beside one that leaves room.
    ([_verdict("mAP_baseline", 0.5, 0.586, 0.593), _verdict("mAP_drop", 0.1, upper=0.02)], 0.58, None),
])
def test_the_goal_is_what_the_failed_gates_ask_for(verdicts: List[Verdict], needed: Optional[float],
                                                   class_drop: Optional[float]) -> None:
    found = goal.of_verdicts(verdicts, _metrics(0.6), _metrics(0.5))

    assert found is not None
    assert found.mean_ap == (None if needed is None else pytest.approx(needed))
    assert found.class_drop == class_drop


@pytest.mark.parametrize("verdict", [
    _verdict("mAP_drop", 0.01, upper=0.02, outcome=PASS),
    _verdict("mAP_drop", 0.03, upper=0.02, outcome=INCONCLUSIVE),
    _verdict("float_mAP_floor", 0.5, lower=0.55),
    _verdict("float_mAP_baseline", 0.5, 0.586, 0.593),
    # A gain, and no baseline: nothing that a quantizer could be to blame for.
    _verdict("mAP_baseline", 0.61, 0.586, 0.593),
    _verdict("mAP_baseline", 0.5),
    _verdict("encodings_drift", 0.5, upper=0.01),
])
def test_without_a_loss_of_quantized_ap_there_is_no_goal(verdict: Verdict) -> None:
    assert goal.of_verdicts([verdict], _metrics(0.6), _metrics(0.5)) is None


def test_a_goal_on_classes_is_met_when_every_class_keeps_to_it() -> None:
    before = _metrics(0.6, cat=0.5, dog=0.7, emu=None)
    found = goal.of_verdicts([_verdict("class_AP_drop", 0.2, upper=0.05)], before, _metrics(0.5, cat=0.3, dog=0.69))

    assert found is not None
    assert found.met(_metrics(0.5, cat=0.46, dog=0.66, emu=None))
    assert not found.met(_metrics(0.7, cat=0.44, dog=0.9, emu=None))
    assert str(found) == "AP drop of each class at most 0.05"


def test_a_goal_on_classes_asks_nothing_of_those_that_too_few_images_show() -> None:
    before = _metrics(0.6, cat=0.5, cup=0.7)
    found = goal.of_verdicts([_verdict("class_AP_drop", 0.2, upper=0.05)], before, _metrics(0.5, cat=0.3, cup=0.1),
                             ["cat"])

    assert found is not None
    assert found.met(_metrics(0.5, cat=0.46, cup=0.1))


@pytest.mark.parametrize("verdict", [
    _verdict("device_mAP_drop", 0.03, upper=0.02),
    _verdict("device_agreement", 0.8, lower=0.9),
    _verdict("device_mAP_floor", 0.45, lower=0.5),
])
def test_what_the_device_alone_loses_asks_nothing_of_quantizers(verdict: Verdict) -> None:
    simulated = _metrics(0.5)

    assert goal.of_verdicts([verdict], _metrics(0.6), simulated) is None
    assert goal.of_device_alone([verdict], simulated) == [verdict.gate]


def test_a_device_below_its_floor_asks_for_it_of_a_simulation_that_is_below_too() -> None:
    verdict, simulated = _verdict("device_mAP_floor", 0.45, lower=0.55), _metrics(0.5)
    found = goal.of_verdicts([verdict], _metrics(0.6), simulated)

    assert found is not None
    assert found.mean_ap == 0.55
    assert goal.of_device_alone([verdict], simulated) == []
