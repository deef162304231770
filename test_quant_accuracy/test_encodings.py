"""Encodings stay where they were when somebody looked at them."""

from typing import Callable, Mapping

from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.settings.gates import ENCODINGS_DRIFT


def test_encodings_are_those_of_the_snapshot(network_verdicts: Mapping[str, Verdict],
                                             unless_updating_baselines: Callable[[], None],
                                             settle: Callable[[Verdict], None]) -> None:
    unless_updating_baselines()

    settle(network_verdicts[ENCODINGS_DRIFT])
