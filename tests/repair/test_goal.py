"""What gates ask of a repair, and what no repair can meet."""

from typing import Dict, Optional, Sequence

import pytest

from quant_accuracy.repair import goal
from quant_accuracy.settings.gates import Gate

_PASSES = {"mAP_drop": "pass", "mAP_floor": "pass", "mAP_ratio": "pass", "class_AP_drop": "pass"}


@pytest.mark.parametrize(("gates", "allowed"), [
    ([Gate("mAP_drop", 0.02)], 0.02),
    ([Gate("mAP_drop", 0.02), Gate("mAP_floor", 0.59)], 0.01),
    ([Gate("mAP_ratio", 0.99), Gate("mAP_floor", 0.5)], 0.006),
    ([Gate("mAP_floor", 0.7)], -0.1),
    ([Gate("class_AP_drop", 0.05), Gate("float_mAP_floor", 0.5)], None),
])
def test_the_strictest_gate_says_how_large_a_drop_is_allowed(gates: Sequence[Gate], allowed: Optional[float]) -> None:
    found = goal.of_gates(gates, 0.6, _PASSES, {}).allowed

    assert found == (None if allowed is None else pytest.approx(allowed))


def test_gates_that_the_float_variant_fails_are_out_of_reach_and_are_named_with_their_limit() -> None:
    gates = [Gate("mAP_drop", 0.02), Gate("mAP_floor", 0.7), Gate("class_AP_drop", -0.01), Gate("float_mAP_floor", 0.9)]

    found = goal.of_gates(gates, 0.6, {**_PASSES, "mAP_floor": "fail", "class_AP_drop": "fail"}, {})

    assert found.impossible == ("mAP_floor 0.7", "class_AP_drop -0.01")
    assert found.out_of_reach(strict=False)


def test_what_not_even_the_float_variant_passes_for_sure_is_not_asked_of_a_repair() -> None:
    gates = [Gate("mAP_drop", 0.02), Gate("mAP_floor", 0.59)]

    found = goal.of_gates(gates, 0.6, {**_PASSES, "mAP_floor": "inconclusive"}, {})

    assert found.allowed == 0.02
    assert not found.out_of_reach(strict=False)
    # Inconclusive is red then, whatever is done.
    assert found.out_of_reach(strict=True)


@pytest.mark.parametrize(("outcomes", "strict", "accepted"), [
    ({"mAP_drop": "pass", "class_AP_drop": "pass", "mAP_floor": "pass"}, True, True),
    ({"mAP_drop": "pass", "class_AP_drop": "inconclusive", "mAP_floor": "inconclusive"}, False, True),
    ({"mAP_drop": "pass", "class_AP_drop": "inconclusive"}, True, False),
    ({"mAP_drop": "inconclusive"}, False, False),
    ({"mAP_drop": "pass", "mAP_floor": "fail"}, False, False),
    ({"mAP_drop": "pass", "class_AP_drop": "fail"}, False, False),
    ({}, False, False),
])
def test_a_repair_passes_what_the_float_variant_passes(outcomes: Dict[str, str], strict: bool,
                                                       accepted: bool) -> None:
    assert goal.Goal(0.6, 0.02, (), ("mAP_floor",)).accepts(outcomes, strict) is accepted


def test_of_classes_those_count_that_the_red_card_loses_too_much_of() -> None:
    drops = {"cat": 0.06, "dog": 0.04, "eel": -0.1}

    assert goal.of_gates([Gate("class_AP_drop", 0.05)], 0.6, _PASSES, drops).classes == {"cat": 0.05}
    assert goal.of_gates([Gate("mAP_drop", 0.05)], 0.6, _PASSES, drops).classes == {}
