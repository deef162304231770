"""The console script: its sub-commands, and what it says of those that it does not have."""

import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

import quant_accuracy
from quant_accuracy.commands import console
from quant_accuracy.demo import ready
from tests.support.places import ROOT


@pytest.mark.parametrize("name", list(console.COMMANDS))
def test_every_command_has_a_module_that_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.main([name, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: quant-accuracy {name} ")


def test_help_names_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["--help"]) == 0

    said = capsys.readouterr().out
    assert [name for name in console.COMMANDS if f"\n  {name} " not in said] == []


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["--version"]) == 0
    assert capsys.readouterr().out == f"quant-accuracy {quant_accuracy.__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [
    ("reprot", "report"), ("export_checkpoint", "export-checkpoint"), ("checkcard", "check-card"),
])
def test_a_misspelt_command_is_answered_with_the_near_one(typed: str, meant: str,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main([typed]) == 2

    said = capsys.readouterr().err
    assert f"did you mean {meant}?" in said
    assert "usage: quant-accuracy" in said


@pytest.mark.parametrize(("typed", "meant"), [
    (["report", "--modle", "x"], "--model"), (["jitter", "--shrads=0"], "--shards"),
    (["check-card", "mine", "--dataset_dir", "d"], "--dataset-dir"), (["init", "--nmae", "x"], "--name"),
])
def test_a_misspelt_option_is_answered_with_the_near_one_in_one_line(typed: List[str], meant: str,
                                                                     capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.main(typed)

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"did you mean {meant}?" in line


@pytest.mark.parametrize(("command", "left_out"), [
    ("jitter", ["--strict", "--why-budget", "--history"]),
    ("device-bundle", ["--strict", "--executor", "--output-dir"]),
    ("report", ["--no-why", "--update-baselines"]),
])
def test_help_has_headings_and_only_what_the_command_takes(command: str, left_out: List[str],
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        console.main([command, "--help"])

    said = capsys.readouterr().out
    assert "\nmodel and data:\n" in said
    assert "\nquantization:\n" in said
    assert [flag for flag in left_out if flag in said] == []


@pytest.mark.parametrize("typed", [["x"], []])
def test_nothing_is_suggested_where_nothing_is_near(typed: List[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(typed) == 2

    said = capsys.readouterr().err
    assert "did you mean" not in said
    assert "usage: quant-accuracy" in said


def test_no_command_imports_tensorflow_before_its_options_are_known() -> None:
    script = ("import sys\nfrom quant_accuracy.commands import console\n"
              "for name in console.COMMANDS:\n"
              "    try:\n        console.main([name, '--no-such-option'])\n"
              "    except SystemExit as ended:\n        assert ended.code == 2, name\n"
              "assert 'tensorflow' not in sys.modules\n")

    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("door", sorted(path.name for path in (ROOT / "tools").glob("[!_]*.py")
                                        if path.read_text(encoding="utf-8").startswith('"""A door to ')))
def test_tools_are_doors_to_commands(door: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / door), "--help"], cwd=str(tmp_path),
                          stdout=subprocess.PIPE, text=True)

    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: quant-accuracy {Path(door).stem.replace('_', '-')} ")


@pytest.mark.parametrize(("absent", "said"), [
    ("rich.console", "rich.console halted; None in sys.modules; install quant_accuracy again, with everything"),
    ("quant_accuracy.commands.jitter", "this is a defect of the suite and no verdict"),
])
def test_a_command_that_cannot_be_imported_has_no_status_of_a_verdict(
        absent: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("quant_accuracy.commands.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)

    assert console.main(["jitter", "--jobs", "1"]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("typed", "said"), [
    (["compare", "a"], "the following arguments are required: B ("),
    (["export-checkpoint", "--pipeline-config", str(ready.PIPELINE_CONFIG), "--output", "out", "--checkpoint",
      str(ready.CHECKPOINT.with_name("model.ckpt-9"))], f"share: {ready.CHECKPOINT}\n"),
    (["create-coco-tfrecords", "--image-dir", "nowhere", "--output-prefix", "out", "--annotations-file", __file__],
     "nowhere: no such folder; name that of the images with --image-dir"),
    (["create-coco-tfrecords", "--image-dir", ".", "--output-prefix", "out", "--annotations-file", "none.json"],
     "none.json: no such annotation file; give COCO's instances_*.json\n"),
])
@pytest.mark.one_lane
def test_wrong_usage_is_told_before_tensorflow_is_imported(typed: List[str], said: str) -> None:
    code = ("import sys\nfrom quant_accuracy.commands import console\ntry:\n    status = console.main(sys.argv[1:])\n"
            "except SystemExit as ended:\n    status = ended.code\nprint(status, 'tensorflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, *typed], capture_output=True, text=True, cwd=str(ROOT))

    # Which only lane tensorflow1 has; the other says so first.
    if "needs object_detection" not in done.stderr:
        assert said in done.stderr
    assert done.stdout == "2 False\n"
