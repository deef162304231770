"""Keeps what TensorFlow 1.15 says of its own future out of the summary of warnings, where tests evaluate."""

from typing import List

import pytest

from quant_accuracy.plugin.parameters import CARD

# As in pytest.ini: action, message, category, module; the last one that fits holds.
_LINES = ("ignore:numpy.ufunc size changed:RuntimeWarning", "ignore::FutureWarning:tensor(flow|board)",
          "ignore::DeprecationWarning:tensor(flow|board)", "ignore::DeprecationWarning:google.protobuf")


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Add filters as if the user had; tests that evaluate nothing are left as they are."""
    if any(CARD in getattr(item, "fixturenames", ()) for item in items):
        for line in _LINES:
            config.addinivalue_line("filterwarnings", line)
