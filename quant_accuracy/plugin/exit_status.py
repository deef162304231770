"""An exit status that tells why: 1 for a red verdict, 2 for what could not be measured."""

import contextlib
from typing import Any, Generator, List

import pytest

from quant_accuracy.base import command_line
from quant_accuracy.plugin import not_measured, options, parallel, parameters

_STOPPED = pytest.StashKey[List[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that the user started has an exit status."""
    if not parallel.is_worker(config):
        config.pluginmanager.register(_ExitStatus(config))


def stopped(config: pytest.Config) -> List[str]:
    """What to say of a run that was stopped; nothing of one that was not."""
    return config.stash.get(_STOPPED, [])


class _ExitStatus:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)  # type: ignore[misc]
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not_measured.of(self._config).any():
            session.exitstatus = command_line.NOT_MEASURED
        elif session.exitstatus == pytest.ExitCode.OK and options.values_of(self._config).get("update_baselines"):
            session.exitstatus = command_line.GATE_FAILED

    @pytest.hookimpl(wrapper=True)  # type: ignore[misc]
    def pytest_runtestloop(self) -> Generator[None, Any, Any]:
        """SIGTERM ends a run about models as Ctrl-C does: what was found out is told, and nothing is left behind."""
        with command_line.terminable() if self._is_about_models() else contextlib.nullcontext():
            return (yield)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        # Libraries derive from it what stops pytest for other reasons.
        if type(excinfo.value) is KeyboardInterrupt and self._is_about_models():
            self._config.stash[_STOPPED] = [*stopped(self._config), command_line.stopped(excinfo.value)]

    def _is_about_models(self) -> bool:
        # What workers of xdist run is not known here.
        return parameters.in_use(self._config) or self._config.pluginmanager.hasplugin("dsession")
