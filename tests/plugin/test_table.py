"""The table of verdicts at the end of a run."""

from typing import Any, Dict

from quant_accuracy.plugin import table


def _verdict(gate: str, outcome: str, **more: Any) -> Dict[str, Any]:
    return {"gate": gate, "value": None, "lower": None, "upper": None, "outcome": outcome, "message": f"{gate} is so",
            "interval": None, "jitter": None, "figure": None, "kind": "gate", **more}


def test_of_several_tests_that_are_one_check_the_worst_counts() -> None:
    said = table.lines({"model": [_verdict("bitwidths", outcome, kind="check")
                                  for outcome in ("pass", "fail", "inconclusive")]}, False, False)

    assert [line.split() for line in said if line.startswith("bitwidths")] == [["bitwidths", "fail"]]


def test_each_model_has_a_table_with_gates_before_checks() -> None:
    said = table.lines({"two": [_verdict("z_gate", "pass"), _verdict("a_check", "pass", kind="check")],
                        "one": [_verdict("z_gate", "pass")]}, False, False)

    assert [line.split()[0] for line in said] == ["one", "gate", "z_gate", "two", "gate", "z_gate", "a_check"]


def test_strict_is_named_as_the_reason_only_where_it_is() -> None:
    open_question, settled = _verdict("mAP_drop", "inconclusive"), _verdict("mAP_drop", "pass")

    assert table.lines({"model": [open_question] * 2}, False, True)[-1].startswith(
        "--strict: 2 inconclusive verdicts are red for that reason alone")
    assert table.lines({"model": [open_question]}, False, False)[-1] == "inconclusive: mAP_drop is so"
    assert not [line for line in table.lines({"model": [settled]}, False, True) if "--strict" in line]


def test_nothing_is_told_of_no_verdicts() -> None:
    assert table.lines({}, False, True) == []


def test_what_several_tests_say_of_a_model_is_told_once_and_names_the_model_where_there_are_several() -> None:
    known, other = _verdict("mAP_drop", "known"), _verdict("mAP_ratio", "known")

    assert table.lines({"one": [known, known, other]}, False, False)[-2:] == ["known: mAP_drop is so",
                                                                              "known: mAP_ratio is so"]
    assert table.lines({"one": [known] * 2, "two": [known]}, False, False)[-2:] == ["known: one: mAP_drop is so",
                                                                                   "known: two: mAP_drop is so"]
