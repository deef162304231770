"""The figures keep to the limits of the model card, and to the baseline."""

from typing import Callable, Mapping

from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.settings.gates import OF_BASELINE


def test_gate(accuracy_gate: str, verdicts: Mapping[str, Verdict], unless_updating_baselines: Callable[[], None],
              settle: Callable[[Verdict], None]) -> None:
    if accuracy_gate in OF_BASELINE:
        unless_updating_baselines()

    settle(verdicts[accuracy_gate])
