"""What a repository gets to start from: written once, never over something."""

import configparser
import re
from pathlib import Path
from typing import Dict

import pytest
import yaml

from quant_accuracy.commands import init
from quant_accuracy.settings import card


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(folder: Path) -> Dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_gets_a_card_the_settings_and_a_ci_example(repository: Path,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(["--name", "ours"]) == 0

    found = _files(repository)
    assert set(found) == {"models/ours.yaml", "pytest.ini", ".github/workflows/quant-accuracy.yml", ".gitignore"}
    card = yaml.safe_load(found["models/ours.yaml"])
    assert (card["name"], card["base"]) == ("ours", "ssd_mobilenet_v2_coco")
    settings = configparser.ConfigParser()
    settings.read_string(found["pytest.ini"])
    assert settings["pytest"]["quant_accuracy_model"] == "ours"
    assert "gates" in yaml.safe_load(found[".github/workflows/quant-accuracy.yml"])["jobs"]
    assert "@NAME@" not in "".join(found.values())
    said = capsys.readouterr().out
    assert [f"wrote {name}" for name in found if f"wrote {name}\n" not in said] == []
    assert "check-card models/ours.yaml" in said


def test_a_gitignore_is_kept_and_what_it_lacks_is_said(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / ".gitignore").write_text("/output/\n")

    assert init.main([]) == 0

    assert (repository / ".gitignore").read_text() == "/output/\n"
    assert "kept .gitignore, which is there already; add to it: /.cache/\n" in capsys.readouterr().out


def test_the_card_can_be_read_as_it_is_and_with_all_that_it_proposes(repository: Path) -> None:
    init.main([])
    path = repository / "models" / "mine.yaml"
    written = card.load(str(path))
    path.write_text(re.sub(r"^( *)# (\w+: )", r"\1\2", path.read_text(), flags=re.MULTILINE)
                    .replace("  mAP_drop: 0.01 ", "  # "))
    proposed = card.load(str(path))

    assert [gate.name for gate in written.gates] == ["mAP_drop", "mAP_ratio"]
    assert {gate.name for gate in proposed.gates} == {"mAP_drop", "mAP_ratio", "mAP_baseline", "float_mAP_baseline"}
    assert Path(written.data["checkpoint"]).resolve() == repository / "checkpoint" / "model.ckpt"


def test_a_second_call_changes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init.main([])
    (repository / "models" / "mine.yaml").write_text("name: hers\n")
    before = _files(repository)
    capsys.readouterr()

    assert init.main([]) == 0

    assert _files(repository) == before
    assert "wrote" not in capsys.readouterr().out


@pytest.mark.parametrize(("name", "text", "line"), [
    ("pytest.ini", "[pytest]\naddopts = -q\n", "quant_accuracy_model = mine"),
    (".pytest.ini", "", "quant_accuracy_model = mine"),
    ("tox.ini", "[pytest]\n", "quant_accuracy_model = mine"),
    ("setup.cfg", "[tool:pytest]\n", "quant_accuracy_model = mine"),
    ("pyproject.toml", "[tool.pytest.ini_options]\n", 'quant_accuracy_model = "mine"'),
])
def test_settings_that_pytest_reads_already_are_kept_and_the_lines_are_said(
        repository: Path, name: str, text: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / name).write_text(text)

    assert init.main([]) == 0

    assert (repository / name).read_text() == text
    assert name == "pytest.ini" or not (repository / "pytest.ini").exists()
    assert f"    {line}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "text"), [
    ("tox.ini", "[tox]\n"), ("setup.cfg", "[metadata]\n"), ("pyproject.toml", "[tool.ruff]\n"),
])
def test_a_file_that_pytest_does_not_read_is_no_settings(repository: Path, name: str, text: str) -> None:
    (repository / name).write_text(text)

    init.main([])

    assert (repository / "pytest.ini").exists()


@pytest.mark.parametrize("name", ["8", "off", "1.5"])
def test_a_name_that_yaml_takes_for_something_else_stays_a_name(repository: Path, name: str) -> None:
    init.main(["--name", name])

    assert yaml.safe_load((repository / "models" / f"{name}.yaml").read_text())["name"] == name


@pytest.mark.parametrize("name", ["../mine", "a/b", "", ".hidden", "two words"])
def test_a_name_that_is_no_name_is_refused(repository: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(["--name", name]) == 2

    assert _files(repository) == {}
    assert "--name" in capsys.readouterr().err


def test_what_cannot_be_written_ends_with_one_line(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "models").write_text("a file")

    assert init.main([]) == 2
    assert "models" in capsys.readouterr().err.splitlines()[-1]
