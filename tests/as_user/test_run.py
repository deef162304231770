"""`./run`: installs once whoever calls, says what it can do, and works from any folder."""

import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import List

import pytest

from quant_accuracy.settings.options import DEMO_CARD
from tests.support import suite
from tests.support.checkouts import VERSION, Checkout
from tests.support.places import ROOT


@pytest.mark.one_lane
def test_two_first_calls_at_once_install_once_and_both_work(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)

    calls = [checkout.start("quant-accuracy", "--version") for _ in range(2)]
    said = [call.communicate()[0] for call in calls]

    assert [call.returncode for call in calls] == [0, 0], said
    assert all(text.splitlines()[-1].startswith("quant-accuracy ") for text in said)
    assert checkout.made == 1
    assert sum("waiting for another call" in text for text in said) == 1
    again = checkout.run("python", "-m", "pytest", "--version", "--version")
    plugin = checkout.venv / "checkout" / "quant_accuracy" / "plugin" / "entry_point.py"
    assert str(plugin) in again, "the plugin has no entry point"
    assert checkout.made == 1


def test_an_environment_that_lacks_something_is_not_taken_for_whole(tmp_path: Path) -> None:
    only_pip = tmp_path / "packages"
    only_pip.mkdir()
    (only_pip / "pip").symlink_to(Path(sysconfig.get_path("purelib"), "pip"))
    checkout = Checkout(tmp_path, only_pip)

    said = checkout.run("true", status=2)

    assert "No module named 'pytest'" in said
    assert "the next call tries again" in said
    assert not (checkout.venv / "stamp").exists()


@pytest.mark.one_lane
def test_an_environment_whose_python_or_command_is_gone_or_another_is_made_again(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.run("true")
    programs = checkout.venv / "bin"

    (programs / "python").unlink()
    (programs / "python").symlink_to("/nowhere/python")
    assert checkout.run("quant-accuracy", "--version").splitlines()[-1].startswith("quant-accuracy ")
    assert checkout.made == 2
    (programs / "quant-accuracy").unlink()
    assert checkout.run("quant-accuracy", "--version").startswith("quant-accuracy ")
    assert checkout.made == 2
    # A lane has Pythons of several versions; the one that is asked for is taken.
    (checkout.venv / "lib" / f"python{VERSION}").rename(checkout.venv / "lib" / "python3.99")
    (checkout.venv / "asked").write_text("3.99\n")
    assert "installing into" in checkout.run("true", QUANT_ACCURACY_PYTHON=VERSION)
    assert checkout.made == 3


def _run(*arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(ROOT / "run"), *arguments], cwd=str(folder), capture_output=True, text=True,
                          env=suite.environment())


@pytest.mark.parametrize("asked", ["--help", "-h", "help"])
def test_help_is_given_without_an_installation(tmp_path: Path, asked: str) -> None:
    shutil.copy(str(ROOT / "run"), str(tmp_path / "run"))

    said = subprocess.run(["sh", str(tmp_path / "run"), asked], stdout=subprocess.PIPE, text=True)

    assert said.returncode == 0
    assert said.stdout.startswith("usage: ./run COMMAND")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(("typed", "answer"), [
    ("reprot", "did you mean ./run report?"), ("pytets", "did you mean ./run pytest?"), ("qqq", "no such command\n"),
])
def test_a_misspelt_command_gets_the_usage_and_the_near_one(typed: str, answer: str) -> None:
    done = _run(typed)

    assert done.returncode == 2
    assert answer in done.stderr
    assert "usage: ./run COMMAND" in done.stderr


def test_a_command_of_the_console_script_is_one_of_run() -> None:
    assert _run("compare", "--help").stdout.startswith("usage: quant-accuracy compare ")


@pytest.mark.parametrize("arguments", [["--pyargs", "test_quant_accuracy"], [str(ROOT / "test_quant_accuracy")]])
def test_the_gates_run_from_any_folder(tmp_path: Path, arguments: List[str]) -> None:
    done = _run("pytest", "--collect-only", "-q", *arguments, folder=tmp_path)

    assert done.returncode == 0, done.stdout
    assert f"test_gate[{DEMO_CARD}-w8a8-mAP_drop]" in done.stdout


def test_a_pytest_ini_of_the_user_is_the_one_that_holds(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nquant_accuracy_model = no_such_card\n")

    done = _run("pytest", "--collect-only", "-q", "--pyargs", "test_quant_accuracy", folder=tmp_path)

    assert done.returncode != 0
    assert "no_such_card" in done.stderr + done.stdout


def test_a_folder_of_the_checkout_without_tests_runs_the_gates() -> None:
    done = _run("pytest", "--collect-only", "-q", folder=ROOT / "docs")

    assert done.returncode == 0, done.stdout
    assert f"test_gate[{DEMO_CARD}-w8a8-mAP_drop]" in done.stdout


def test_a_folder_without_tests_is_told_where_the_gates_are(tmp_path: Path) -> None:
    done = _run("pytest", folder=tmp_path)

    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    run = shlex.quote(str(ROOT / "run"))
    assert f"no tests in {tmp_path}; the gates: {run} pytest --pyargs test_quant_accuracy\n" in done.stdout


@pytest.mark.parametrize("typed", ["cd", "if", "-v", str(ROOT)])
def test_what_is_no_program_is_no_command(typed: str) -> None:
    done = _run(typed)

    assert done.returncode == 2
    assert f"run: {typed}: no such command\n" in done.stderr


def test_any_program_is_a_command() -> None:
    assert _run("echo", "a  b").stdout == "a  b\n"
    assert _run("/bin/sh", "-c", "exit 3").returncode == 3


def test_a_link_to_it_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path / "link")
    (tmp_path / "link").symlink_to(ROOT / "run")

    done = subprocess.run([str(tmp_path / "again"), "quant-accuracy", "--version"], stdout=subprocess.PIPE, text=True,
                          cwd=str(tmp_path), env=suite.environment())

    assert done.stdout.startswith("quant-accuracy ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "link"]
