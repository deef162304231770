"""The suite's options as pytest reads them, and the exit status of what they refuse."""

import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest

from quant_accuracy.commands import report
from quant_accuracy.settings.options import DEMO_CARD
from tests.support import suite

_CARD = """
name: {name}
graph: {{starting_op: a, output_ops: [b]}}
input: {{height: 3, width: 3}}
data: {{demo: true}}
"""
_PRINTS = """
from pathlib import Path

def test_print(quant_options):
    given = quant_options
    print("SAID", given.get("model"), given.get("output_dir"), given.get("baseline_dir"), given.get("history"),
          given.root, given.suite, given.get("strict"), sep="|")
"""


def _pytest(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p",
                           "quant_accuracy.plugin.options", *arguments], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=suite.environment(**variables))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a pytest.ini of its own, a model card, and a folder of tests."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.yaml").write_text(_CARD.format(name="mine"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text(_PRINTS)
    return tmp_path


def _said(done: "subprocess.CompletedProcess[str]") -> List[str]:
    return next(line for line in done.stdout.splitlines() if "SAID" in line).split("SAID|")[1].split("|")


def test_paths_of_pytest_ini_are_relative_to_it_and_typed_ones_to_the_working_directory(repository: Path) -> None:
    (repository / "pytest.ini").write_text("[pytest]\nquant_accuracy_model = models/mine.yaml\n"
                                           "quant_accuracy_output_dir = out\nquant_accuracy_baseline_dir = kept\n")

    said = _said(_pytest(repository / "tests", "test_mine.py", "--baseline-dir", "here",
                         QUANT_ACCURACY_HISTORY="history.jsonl"))

    assert said == [str([str(repository / "models" / "mine.yaml")]), str(repository / "out"),
                    str(repository / "tests" / "here"), str(repository / "tests" / "history.jsonl"), str(repository),
                    "python -m pytest --pyargs test_quant_accuracy", "None"]


def test_a_card_is_found_by_name_below_the_rootdir_and_settings_files_are_repeated(repository: Path) -> None:
    (repository / "other.ini").write_text("[pytest]\n")

    said = _said(_pytest(repository / "tests", "-c", "../other.ini", "--rootdir", "..", "test_mine.py", "--model",
                         "mine", "--strict"))

    assert said[0] == "['mine']"
    assert said[4:] == [str(repository), f"python -m pytest -c {repository}/other.ini --rootdir "
                        f"{repository} --pyargs test_quant_accuracy", "True"]


def test_an_old_strict_among_addopts_is_left_to_pytest(repository: Path) -> None:
    (repository / "pytest.ini").write_text("[pytest]\naddopts = --strict\n")

    assert _said(_pytest(repository, "tests"))[6] == "None"


def _damaged(folder: Path) -> List[str]:
    (folder / "models" / "mine.yaml").write_text("name: [")
    return ["--model", "mine"]


def _twice(folder: Path) -> List[str]:
    (folder / "models" / "other.yaml").write_text(_CARD.format(name="mine"))
    return ["--model", "mine", "--model", "other"]


def _missing(folder: Path) -> List[str]:
    return ["--model", "none"]


def _baselines_in_a_file(folder: Path) -> List[str]:
    (folder / "file").write_text("")
    return ["--model", "mine", "--baseline-dir", "file"]


def _no_history(folder: Path) -> List[str]:
    return ["--model", "mine", "--history", "models"]


@pytest.mark.parametrize("fault", [_damaged, _twice, _missing, _baselines_in_a_file, _no_history])
def test_what_files_say_wrong_ends_both_doors_with_the_same_line_and_status(
        fault: Callable[[Path], List[str]], repository: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    arguments = fault(repository)
    (repository / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(repository)

    status, done = report.main(arguments), _pytest(repository, "tests", *arguments)

    said = capsys.readouterr().err.strip()
    assert (status, done.returncode) == (2, 2), done.stdout
    assert said.startswith("error: ")
    assert said[len("error: "):].replace(f"{repository}/", "") in done.stdout.replace(f"{repository}/", "")


@pytest.mark.parametrize("arguments", [["--executor", "ray", "--jobs", "0"], ["--jobs", "2"],
                                       ["-o", "quant_accuracy_threads=many"]])
def test_an_option_that_cannot_be_followed_is_wrong_usage(arguments: List[str], repository: Path) -> None:
    assert _pytest(repository, "tests", *arguments).returncode == 4


def test_nothing_is_read_for_a_repository_that_asks_for_no_model(repository: Path) -> None:
    (repository / "tests" / "test_mine.py").write_text(
        "import sys\n\ndef test_cheap():\n    assert not {'yaml', 'numpy', 'tensorflow'} & set(sys.modules)\n")

    # The other parts of the plugin have tests of their own.
    assert _pytest(repository, "tests", "-p", "no:quant_accuracy").returncode == 0


def test_pytest_refuses_an_output_folder_that_cannot_be_written_before_anything_runs(repository: Path) -> None:
    done = _pytest(repository, "tests", "--report", "html", "--output-dir", "models/mine.yaml")

    assert done.returncode == 2
    assert f"--output-dir {repository}/models/mine.yaml: Not a directory; name a folder" in done.stdout
    assert "SAID" not in done.stdout
    # Without a report nothing is written there.
    assert _pytest(repository, "tests", "--model", DEMO_CARD, "--output-dir", "models/mine.yaml").returncode == 0


@pytest.mark.parametrize(("models", "strict"), [
    ('["mine", "models/two.yaml"]', "true"),
    ('"mine models/two.yaml"', '"yes"'),
])
def test_a_pyproject_says_values_as_toml_has_them(repository: Path, models: str, strict: str) -> None:
    (repository / "models" / "two.yaml").write_text(_CARD.format(name="two"))
    (repository / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\nquant_accuracy_model = {models}\n"
                                               f"quant_accuracy_shards = [0, 3]\nquant_accuracy_strict = {strict}\n")

    said = _said(_pytest(repository, "tests"))

    assert said[0] == str(["mine", str(repository / "models" / "two.yaml")])
    assert said[-1] == "True"
