"""What lies where an option points to never becomes pytest's rootdir."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from tests.support import suite
from tests.support.places import ROOT


def _pytest(folder: Path, arguments: List[str], start: List[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*start, "-p", "no:cacheprovider", *arguments], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=suite.environment())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository beside a data set that lies outside of it."""
    (tmp_path / "data").mkdir()
    (tmp_path / "repository" / "sub").mkdir(parents=True)
    (tmp_path / "repository" / "pytest.ini").write_text("[pytest]\naddopts = --pyargs\n")
    return tmp_path / "repository"


def test_a_data_set_outside_of_the_repository_is_refused_as_rootdir_with_the_command_that_works(
        repository: Path) -> None:
    arguments = ["--co", "-q", "--pyargs", "test_quant_accuracy", "--dataset-dir", str(repository.parent / "data")]

    refused = _pytest(repository, arguments, [sys.executable, "-m", "pytest"])

    assert refused.returncode == 4
    assert f"{repository.parent / 'data'} was taken for a path of tests" in refused.stdout
    advised = shlex.split(refused.stdout.split("`")[1])
    assert advised[:3] == ["python", "-m", "pytest"]
    done = _pytest(repository, advised[3:], [sys.executable, "-m", "pytest"])
    assert done.returncode == 0, done.stdout
    assert "test_placement.py" in done.stdout


@pytest.mark.parametrize("folder", [".", "sub"])
def test_a_folder_inside_of_the_repository_does_no_harm(repository: Path, folder: str) -> None:
    (repository / "outputs").mkdir()
    arguments = ["--co", "test_quant_accuracy", "--output-dir", str(repository / "outputs")]

    done = _pytest(repository / folder, arguments, [sys.executable, "-m", "pytest"])

    assert done.returncode == 0, done.stdout
    assert f"rootdir: {repository}\n" in done.stdout


def test_run_joins_options_and_values_by_itself(repository: Path) -> None:
    arguments = ["--co", "test_quant_accuracy", "--dataset-dir", str(repository.parent / "data")]

    done = _pytest(repository, arguments, ["sh", str(ROOT / "run"), "pytest"])

    assert done.returncode == 0, done.stdout
    assert f"rootdir: {repository}\n" in done.stdout
