"""The figures keep to the limits of the model card, and to the baseline."""

from typing import Callable, Mapping

import pytest

from quant_accuracy.card import OF_BASELINE
from quant_accuracy.gates import Verdict


def test_gate(accuracy_gate: str, verdicts: Mapping[str, Verdict], request: pytest.FixtureRequest,
              hold: Callable[[Verdict], None]) -> None:
    if accuracy_gate in OF_BASELINE:
        request.getfixturevalue("compared_with_baseline")

    hold(verdicts[accuracy_gate])
