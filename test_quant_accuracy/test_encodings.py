"""Encodings stay where they were when somebody looked at them."""

from typing import TYPE_CHECKING, Any, Callable

import pytest

from quant_accuracy.gates import Verdict

if TYPE_CHECKING:
    from quant_accuracy.evaluation import Prepared


@pytest.mark.usefixtures("compared_with_baseline")
def test_encodings_are_those_of_the_snapshot(prepared: "Prepared", measuring: Callable[[], Any],
                                             hold: Callable[[Verdict], None]) -> None:
    with measuring():
        verdict = prepared.drift()

    hold(verdict)
