"""Verdicts as outcomes of tests."""

import json
from pathlib import Path

import pytest

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign, suite

_ID = "ssd_mobilenet_v2_demo-w8a8"
_HERS = """
    import pytest

    from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, KNOWN, PASS, Verdict
    from quant_accuracy.scoring.intervals import Interval


    @pytest.mark.parametrize("outcome", [PASS, FAIL, INCONCLUSIVE, KNOWN])
    def test_settled(settle, outcome):
        settle(Verdict("mAP_drop", 0.3, None, 0.2, outcome, f"a drop that is {outcome}", Interval(0.1, 0.4),
                       kind="check"))
"""


@pytest.fixture(scope="module")
def settled(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a test for each outcome of a verdict."""
    return foreign.make(tmp_path_factory.mktemp("settled"), {"tests/test_hers.py": _HERS})


def test_a_verdict_is_the_outcome_of_its_test_and_a_known_failure_an_expected_one(settled: Path) -> None:
    done = foreign.run(settled, "tests/", "-rx")

    assert [done.outcomes[f"test_settled[{_ID}-{outcome}]"] for outcome in ("pass", "fail", "inconclusive", "known")] \
        == [suite.PASSED, suite.FAILED, suite.SKIPPED, suite.SKIPPED]
    # Pytest 7 writes ` - reason: `.
    (line,) = [line for line in done.said.splitlines() if line.startswith("XFAIL ")]
    assert line.replace(" - reason: ", " - ").startswith(
        f"XFAIL tests/test_hers.py::test_settled[{_ID}-known] - known failure: a drop that is")
    assert "inconclusive: a drop that is inconclusive" in done.messages[f"test_settled[{_ID}-inconclusive]"]
    assert "known: a drop that is known" in done.said.split(" quant accuracy =")[1]
    assert "--strict: " not in done.said
    assert "record_property is incompatible" not in done.said
    assert done.status == 1


def test_strict_makes_an_inconclusive_verdict_red_and_says_that_this_is_the_reason(settled: Path) -> None:
    done = foreign.run(settled, "tests/", "--strict", "-k", "inconclusive or pass")

    assert done.red() == [f"test_settled[{_ID}-inconclusive]"]
    assert "--strict: 1 inconclusive verdict is red for that reason alone; evaluate more shards" in done.said
    assert done.status == 1


def test_the_whole_verdict_travels_with_its_test(settled: Path) -> None:
    numbers = foreign.run(settled, "tests/", "-k", "pass").numbers[f"test_settled[{_ID}-pass]"]

    sent = json.loads(numbers["verdict_record"])
    assert {name: value for name, value in sent.items() if name != "known_failure"} == {
        "gate": "mAP_drop", "value": 0.3, "lower": None, "upper": 0.2, "outcome": "pass",
        "message": "a drop that is pass", "interval": [0.1, 0.4], "jitter": None, "figure": None, "kind": "check"}
    assert (numbers["model"], numbers["upper"], numbers["interval_high"]) == (_ID, "0.2", "0.4")
    assert "lower" not in numbers
