"""Encodings stay where they were when somebody looked at them."""

from typing import TYPE_CHECKING, Any, Callable

from quant_accuracy.judging.verdicts import Verdict

if TYPE_CHECKING:
    from quant_accuracy.evaluation import Prepared


def test_encodings_are_those_of_the_snapshot(prepared: "Prepared", compare: Callable[[], None],
                                             measuring: Callable[[], Any], hold: Callable[[Verdict], None]) -> None:
    compare()
    with measuring():
        verdict = prepared.drift()

    hold(verdict)
