"""What stands at the end of a run: the verdicts, what is worth a line, and what was written.

The process that the user started tells it, of what all of them found out.
"""

import json
import traceback
from typing import Any, Dict, List, Mapping, Optional

import pytest

from quant_accuracy.base import command_line
from quant_accuracy.base.errors import unexpected
from quant_accuracy.plugin import exit_status, findings, not_measured, options, parallel, reports, table
from quant_accuracy.plugin.verdicts import COMPARING, VERDICT

_OUTPUT = "quant_accuracy"
_THIS_PROCESS = "this process"


def pytest_configure(config: pytest.Config) -> None:
    """Workers send what they found out; the process that the user started collects and tells it."""
    config.pluginmanager.register(_Worker(config) if parallel.is_worker(config) else _Main(config))


class _Worker:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_sessionfinish(self) -> None:
        self._config.workeroutput[_OUTPUT] = json.dumps(  # type: ignore[attr-defined]
            findings.close_all(self._config))


class _Main:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: Dict[str, Mapping[str, Mapping[str, Any]]] = {}
        self._verdicts: Dict[str, Dict[str, Mapping[str, Any]]] = {}
        self._session: Optional[pytest.Session] = None

    @pytest.hookimpl(optionalhook=True)  # type: ignore[misc]
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if output:
            self._found[node.gateway.id] = json.loads(output)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when == "call" and VERDICT in properties:
            # By test: one that was run again counts once.
            of_model = self._verdicts.setdefault(str(properties["model"]), {})
            of_model[report.nodeid] = json.loads(str(properties[VERDICT]))

    @pytest.hookimpl(tryfirst=True)  # type: ignore[misc]
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._session = session
        if not self._found:
            self._found[_THIS_PROCESS] = findings.close_all(self._config)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._config.option.collectonly:
            return
        try:
            lines = self._lines(terminalreporter.hasmarkup)
        except Exception as error:
            lines = [*traceback.format_exc().splitlines(), f"error: {unexpected(error)}"]
            self._not_measured()
        lines += [f"could not measure: {crash}" for crash in not_measured.of(self._config).crashes()]
        if lines:
            terminalreporter.section("quant accuracy")
            for line in lines:
                terminalreporter.write_line(line)

    def _not_measured(self) -> None:
        if self._session is not None:
            self._session.exitstatus = command_line.NOT_MEASURED

    def _lines(self, colours: bool) -> List[str]:
        values = options.values_of(self._config)
        found = [self._found[process] for process in sorted(self._found)]
        verdicts = {model: list(by_test.values()) for model, by_test in self._verdicts.items()}
        retried = [f"{model}: {line}" for model, lines in reports.of_models(found, "retried") for line in lines]
        reported, exported = reports.write(found, values), reports.export(found, values)
        if reported.failed or exported.failed:
            # As the report ends, which was asked for the same.
            self._not_measured()
        return [*table.lines(verdicts, colours, bool(values.get("strict"))), *_notes(found), *self._images(),
                *self._moved(), *retried, *reported.lines, *exported.lines, *self._baselines(found),
                *exit_status.stopped(self._config)]

    def _images(self) -> List[str]:
        values = options.values_of(self._config)
        # Whose evaluations are counted nowhere, and left this one nothing to do.
        repeated = values.get("update_baselines") or values.get("jitter")
        counts: Dict[str, Dict[str, int]] = {}
        for process, known in sorted(self._found.items()):
            for model, of_model in known.items():
                if of_model["images"] is not None:
                    counts.setdefault(model, {})[process] = of_model["images"]
        lines = []
        for model, by_process in sorted(counts.items()):
            shares = ", ".join(f"{process} {count}" for process, count in by_process.items())
            total = sum(by_process.values())
            if total:
                lines.append(f"{model}: {total} images were evaluated in this run ({shares})")
            elif not repeated:
                lines.append(f"{model}: all detections were in the cache")
        return lines

    def _moved(self) -> List[str]:
        return [f"a worker died while it ran {test}: another one ran it again"
                for test in parallel.moved_tests(self._config)]

    def _baselines(self, found: reports.Found) -> List[str]:
        if not options.values_of(self._config).get("update_baselines"):
            return []
        written = [f"wrote {path}" for _, paths in reports.of_models(found, "baseline") for path in paths]
        if written:
            return written
        if exit_status.stopped(self._config):
            return ["no baseline was written: the run was stopped"]
        tests = [] if self._session is None else self._session.items
        if any(COMPARING in getattr(test, "fixturenames", ()) for test in tests):
            return ["no baseline was written: what it is made of could not be measured, see above"]
        return ["no baseline was written: none of the selected tests compares with one"]


def _notes(found: reports.Found) -> List[str]:
    lines = [f"note: {model}: {line}" for model, notes in reports.of_models(found, "notes") for line in notes]
    return list(dict.fromkeys(lines))
