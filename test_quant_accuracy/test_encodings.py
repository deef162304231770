"""Encodings stay where they were when somebody looked at them."""

from typing import Callable, Mapping

from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.settings.gates import ENCODINGS_DRIFT


def test_encodings_are_those_of_the_snapshot(checked: Mapping[str, Verdict], compare: Callable[[], None],
                                             hold: Callable[[Verdict], None]) -> None:
    compare()

    hold(checked[ENCODINGS_DRIFT])
