from typing import Any, Dict

import pytest

from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.judging import checks
from quant_accuracy.settings import gates
from quant_accuracy.settings.gates import CHECKS, ENCODINGS_DRIFT, GATES, Gate, KnownFailure


def _section(document: Dict[str, Any]) -> Section:
    return Section("mine.yaml", "", document, "the model card").section("gates")


def _read(value: Any, name: str = "mAP_drop") -> Gate:
    return gates.read(_section({"gates": {name: value}}))[0]


@pytest.mark.parametrize("name", [name for name in GATES if name != gates.EXPECTED])
def test_a_limit_may_be_written_as_a_number_or_with_its_name(name: str) -> None:
    assert _read(0.5, name) == _read({"limit": 0.5}, name) == Gate(name, 0.5)


@pytest.mark.parametrize("name", gates.OF_BASELINE)
def test_a_limit_from_the_jitter_may_be_known_to_fail(name: str) -> None:
    found = _read({"limit": "jitter", "known_failure": " moved,\n #123 "}, name)

    assert found == Gate(name, None, None, KnownFailure("moved, #123", f"gates.{name}.known_failure in mine.yaml"))
    assert _read("jitter", name) == Gate(name, None)


def test_an_expected_figure_may_be_known_to_fail() -> None:
    found = _read({"expected": 0.3, "within": 0.01, "known_failure": "#1"}, gates.EXPECTED)

    assert found.known_failure is not None
    assert (found.expected, found.limit, found.known_failure.reason) == (0.3, 0.01, "#1")


@pytest.mark.parametrize(("value", "message"), [
    ({"known_failure": "x"}, "gates.mAP_drop.limit is missing; add it"),
    ({"limit": 0.1, "known_failure": ""}, "gates.mAP_drop.known_failure is ''; give a text"),
    ({"limit": 0.1, "known_failure": "  "}, "gates.mAP_drop.known_failure is empty; say why"),
    ({"limit": 0.1, "known_failure": True}, "gates.mAP_drop.known_failure is True; give a text"),
    ({"limit": 0.1, "known_failre": "x"}, "known_failre is unknown; did you mean 'known_failure'"),
    ({"limit": "jitter"}, "gates.mAP_drop.limit is 'jitter'; give a number"),
])
def test_a_wrong_gate_says_what_is_wrong(value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _read(value)


def test_checks_may_be_known_to_fail_by_name() -> None:
    section = Section("mine.yaml", "", {"known_failures": {"biases": "AIMET #1"}}, "the card").section("known_failures")

    assert gates.read_known_failures(section) == {"biases": KnownFailure("AIMET #1", "known_failures.biases in "
                                                                         "mine.yaml")}


@pytest.mark.parametrize(("document", "message"), [
    ({"bias": "x"}, "known_failures.bias is unknown; did you mean 'biases'"),
    ({"biases": None}, "known_failures.biases is missing"),
    ({ENCODINGS_DRIFT: "x"}, r"known_failures.encodings_drift .*write gates: {encodings_drift: {limit: 0.01"),
])
def test_a_wrong_known_failure_says_what_is_wrong(document: Any, message: str) -> None:
    section = Section("mine.yaml", "", {"known_failures": document}, "the card").section("known_failures")
    with pytest.raises(ConfigurationError, match=message):
        gates.read_known_failures(section)


def test_every_check_without_a_limit_can_be_known_to_fail() -> None:
    named = [checks.BATCH_NORMS, checks.WEIGHTS, checks.BIASES, checks.ACTIVATIONS, checks.INPUTS, checks.OUTPUTS,
             checks.SNAPSHOT, checks.BITWIDTHS, checks.USABLE, checks.COVERAGE]

    assert list(CHECKS) == named


def test_agreement_may_say_what_it_takes_to_agree() -> None:
    found = _read({"limit": 0.9, "score": 0.5, "iou": 0.7}, gates.AGREEMENT)

    assert found == Gate(gates.AGREEMENT, 0.9, score=0.5, iou=0.7)
    assert _read({"limit": 0.9, "iou": 0.7}, gates.AGREEMENT).score is None


@pytest.mark.parametrize(("name", "value", "message"), [
    ("mAP_drop", {"limit": 0.1, "score": 0.5}, "gates.mAP_drop.score is unknown"),
    (gates.AGREEMENT, {"limit": 0.9, "iou": 0}, "gates.device_agreement.iou is 0"),
    (gates.AGREEMENT, {"limit": 0.9, "score": 30}, "gates.device_agreement.score is 30"),
])
def test_a_wrong_rule_of_agreement_says_what_is_wrong(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _read(value, name)
