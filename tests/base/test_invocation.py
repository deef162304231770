"""How this project's commands are started, for messages that give one to paste."""

from typing import List

import pytest

from quant_accuracy.base import invocation


@pytest.mark.parametrize(("run", "started", "report", "suite"), [
    ("./run", "/checkout/tools/report.py", "./run report", "./run pytest"),
    ("../my run", "/venv/bin/pytest", "'../my run' report", "'../my run' pytest --pyargs test_quant_accuracy"),
    ("", "/venv/bin/quant-accuracy", "quant-accuracy report", "pytest --pyargs test_quant_accuracy"),
    ("", "/venv/bin/pytest", "quant-accuracy report", "pytest --pyargs test_quant_accuracy"),
    ("", "/venv/site-packages/pytest/__main__.py", "quant-accuracy report",
     "python -m pytest --pyargs test_quant_accuracy"),
    ("", "tools/jitter.py", "python tools/report.py", "python -m pytest --pyargs test_quant_accuracy"),
    ("", "-c", "quant-accuracy report", "pytest --pyargs test_quant_accuracy"),
])
def test_a_command_is_told_as_the_user_starts_them(run: str, started: str, report: str, suite: str,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", run)
    monkeypatch.setattr("sys.argv", [started])

    assert invocation.command("report") == report
    assert invocation.suite() == suite


def test_a_program_of_the_environment_is_started_by_run_where_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", "./run")
    assert invocation.program("ray start") == "./run ray start"

    monkeypatch.delenv("QUANT_ACCURACY_RUN")
    assert invocation.program("ray start") == "ray start"


@pytest.mark.parametrize(("run", "argv", "typed"), [
    ("./run", ["/venv/bin/quant-accuracy", "report", "--model", "my card.yaml"], "./run report --model 'my card.yaml'"),
    ("", ["/venv/bin/quant-accuracy", "report", "--why"], "quant-accuracy report --why"),
    ("./run", ["/venv/bin/pytest", "-n", "2"], "./run pytest -n 2"),
    ("", ["/site-packages/pytest/__main__.py", "-k", "a or b"], "python -m pytest -k 'a or b'"),
    ("", ["tools/report.py", "--why"], "python tools/report.py --why"),
    ("./run", ["my own.py", "x"], "./run 'my own.py' x"),
])
def test_a_command_line_is_told_so_that_it_can_be_pasted(run: str, argv: List[str], typed: str,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", run)
    monkeypatch.setattr("sys.argv", argv)

    assert invocation.typed() == typed
