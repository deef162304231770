"""What could not be measured is no verdict: one line, once, and exit status 2.

A step that fails fails for every test that needs it. The first one says so; the others are skipped, and say which.
"""

from types import TracebackType
from typing import Any, Dict, Generator, List, Tuple

import pytest

from quant_accuracy.base.errors import DEFECT, DefectError, QuantAccuracyError, unexpected
from quant_accuracy.plugin import parallel
from quant_accuracy.plugin.parameters import CARD, COULD_NOT

# The property of a test that could not be run, with the reason.
NOT_MEASURED = "could_not_measure"
_MODEL = "model_card"
_PACKAGES = ("quant_accuracy", "test_quant_accuracy")
_FIXTURES = "quant_accuracy.plugin.fixtures"
_REPORTED = pytest.StashKey["NotMeasured"]()


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that the user started tell the first of several tests from the others."""
    if not parallel.is_worker(config):
        config.stash[_REPORTED] = NotMeasured()
        config.pluginmanager.register(config.stash[_REPORTED])


@pytest.hookimpl(wrapper=True)  # type: ignore[misc]
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    """Make one line of an error that can be expected; a crash keeps its traceback, and has the same exit status."""
    excinfo = call.excinfo
    if excinfo is None or not (_takes_model(item) or _in_fixture(excinfo)) or not _is_ours(excinfo):
        return (yield)
    error = unexpected(excinfo.value)
    about = getattr(item, "callspec", None)
    item.user_properties += [(_MODEL, about.params.get(CARD))] if about is not None else []
    item.user_properties.append((NOT_MEASURED, str(error)))
    if not isinstance(error, DefectError):
        line = pytest.fail.Exception(f"{COULD_NOT}{error}", pytrace=False)
        call.excinfo = pytest.ExceptionInfo.from_exc_info((type(line), line, _last(excinfo.tb)))
    report = yield
    # A debugger wants the error itself.
    call.excinfo = excinfo
    return report


def _last(trace: TracebackType) -> TracebackType:
    """The end of the way to an error: nobody is shown more, and pytest takes long to go all of it hundreds of times."""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _takes_model(item: pytest.Item) -> bool:
    return bool({"model", CARD} & set(getattr(item, "fixturenames", ())))


def _in_fixture(excinfo: "pytest.ExceptionInfo[BaseException]") -> bool:
    """Whether one of the plugin's fixtures raised, for a test that asks for it while it runs."""
    return any(entry.frame.f_globals.get("__name__") == _FIXTURES for entry in excinfo.traceback)


def _is_ours(excinfo: "pytest.ExceptionInfo[BaseException]") -> bool:
    """Whether an exception says that something could not be measured: an error of the engine, or a crash in it."""
    error = excinfo.value
    if isinstance(error, QuantAccuracyError):
        return True
    if not isinstance(error, Exception) or isinstance(error, AssertionError):
        return False
    modules = (str(entry.frame.f_globals.get("__name__")) for entry in excinfo.traceback)
    return any(name.split(".")[0] in _PACKAGES for name in modules)


class NotMeasured:
    """The tests that could not be run, by the reason."""

    def __init__(self) -> None:
        self._first: Dict[Tuple[str, str], str] = {}

    @pytest.hookimpl(wrapper=True)  # type: ignore[misc]
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, Any, Any]:
        """Skip a test whose reason another one has said already, of whichever worker."""
        reason = dict(report.user_properties).get(NOT_MEASURED)
        if reason is not None and report.failed:
            first = self._first.setdefault((_model(report), str(reason)), report.nodeid)
            if first != report.nodeid:
                report.outcome = "skipped"
                said = f"Skipped: could not measure, see above: {first}"
                # Of no line, so that all of them are one in pytest's summary.
                report.longrepr = (first.split("::")[0], None, said)  # type: ignore[assignment]
        return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Hear of model cards and snapshots that cannot be used: workers do not stop for that."""
        said = str(report.longrepr)
        if report.failed and said.startswith(COULD_NOT):
            self._first.setdefault(("", said), report.nodeid)

    def any(self) -> bool:
        """Whether something could not be measured."""
        return bool(self._first)

    def crashes(self) -> List[str]:
        """The reasons that are defects of this suite."""
        return list(dict.fromkeys(reason for _, reason in self._first if DEFECT in reason))


def _model(report: pytest.TestReport) -> str:
    """The model that a test is about, by the name of its card: each of several has its own errors."""
    return str(dict(report.user_properties).get(_MODEL))


def of(config: pytest.Config) -> NotMeasured:
    """What could not be measured in this run, as far as the process knows that the user started."""
    return config.stash[_REPORTED]
