"""`./run pytest` in a folder without tests says where the gates are."""

from typing import Any

import pytest

from quant_accuracy.base import invocation


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Only for the checkout's `run`: who installed the plugin for other tests is not told of gates."""
    here = str(config.invocation_params.dir)
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.args == [here] and invocation.run():
        terminalreporter.write_line(f"no tests in {here}; the gates: {invocation.suite()}")
