"""A pytest plugin that makes this suite crash, with `DEFECT` naming where: `-p tests.support.defect_plugin`."""

import os
from typing import Any

import pytest

VARIABLE = "DEFECT"
EVALUATION, REPORT = "evaluation", "report"
SAID = "'NoneType' object has no attribute 'a_defect'"


def _crash(*_: Any, **__: Any) -> Any:
    return None.a_defect  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    """Break the engine."""
    from quant_accuracy.pipeline import evaluation
    from quant_accuracy.reporting import gate_table

    if os.environ[VARIABLE] == EVALUATION:
        evaluation.conclude = _crash
    else:
        gate_table.terminal = _crash
