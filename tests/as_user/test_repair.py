"""`quant-accuracy repair` as its user runs it: from red to green, and what is left where there is no green."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import pytest

from benchmarks import spoiled
from quant_accuracy.base.cache import Cache
from quant_accuracy.commands import console
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.request import Request
from tests.support import report_documents, suite
from tests.support.places import ROOT

_LOW = "FeatureExtractor/MobilenetV2/expanded_conv_8/add:0"
_CARD = """
base: {base}
name: {name}
quantization: {quantization}
calibration: {{images: 10}}
gates: {{float_mAP_floor: null, mAP_floor: null, mAP_drop: 0.08, mAP_ratio: null, class_AP_drop: null,
        float_mAP_baseline: null, mAP_baseline: null, float_class_AP_baseline: null, class_AP_baseline: null,
        encodings_drift: null}}
data: {{demo: null, part_of_annotations: true, checkpoint: {checkpoint}, dataset_dir: {folder},
       pattern: "val.record-*", annotations: {annotations}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo: DataPaths) -> Path:
    """A repository with three of the demo's shards, which are all of its data."""
    made = tmp_path_factory.mktemp("own")
    (made / "data").mkdir()
    for index in range(3):
        shutil.copy(str(demo.dataset_dir / f"demo_val.record-{index:05d}-of-00010"),
                    str(made / "data" / f"val.record-{index:05d}-of-00003"))
    return made


def _card(folder: Path, demo: DataPaths, name: str, quantization: Dict[str, Any]) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(_CARD.format(base=options.DEMO_CARD, name=name, quantization=json.dumps(quantization),
                                 checkpoint=demo.checkpoint, folder=folder / "data", annotations=demo.annotations))
    return path


def _repair(card: Path, *arguments: str) -> int:
    return console.main(["repair", "--model", str(card), "--cache-dir", str(ROOT / ".cache"), "--output-dir",
                         str(card.with_suffix("")), *arguments])


def _left(card: Path) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads((card.with_suffix("") / "repair" / "repair.json").read_text())
    return document


def test_from_red_to_green_the_one_low_activation_is_raised_and_nothing_else(
        folder: Path, demo: DataPaths, tmp_path: Path) -> None:
    red = _card(folder, demo, "low", {"overrides": {_LOW: {"bitwidth": 2}}})
    arguments = ["--cache-dir", str(ROOT / ".cache"), "-p", "no:cacheprovider", "--no-why"]

    assert suite.run(tmp_path, f"--model={red}", *arguments).status == 1
    assert _repair(red, "--remedies", "mixed-precision") == 0

    found = _left(red)
    assert found["found"]
    assert found["chosen"]["changes"] == [f"8 bits for {_LOW}"]
    assert found["chosen"]["all"]["images"] == 60
    assert found["chosen"]["held_back"]["images"] == 20
    assert not report_documents.schema_errors(json.loads((red.with_suffix("") / "report.json").read_text()))
    assert found["images"] == {"search": 40, "held_back": 20, "all": 60}
    repaired = red.with_suffix("") / "repair" / "low_repaired.yaml"
    assert suite.run(tmp_path, f"--model={repaired}", *arguments).status == 0
    # A second call finds everything measured.
    start = time.monotonic()
    assert _repair(red, "--remedies", "mixed-precision") == 0
    assert time.monotonic() - start < 60
    again = _left(red)
    assert again["attempts"] == found["attempts"]


@pytest.mark.soak
def test_spoiled_ranges_are_brought_back_by_equalization_alone_and_are_exported(folder: Path, demo: DataPaths) -> None:
    whole = _card(folder, demo, "whole", {})
    cache = Cache(ROOT / ".cache")
    card = cards.load(str(whole))
    prepared = prepare(Request(card, replace(demo, dataset_dir=folder / "data", pattern="val.record-*"), 1), cache)
    red = _card(folder, demo, "spoiled", {"checkpoint": str(spoiled.write(prepared, folder / "spoiled_model"))})

    assert _repair(red, "--remedies", "equalization") == 0

    found = _left(red)
    assert found["before"]["mAP"] < 0.1
    assert found["chosen"]["name"] == "equalization"
    assert abs(found["chosen"]["all"]["drop"]) < 0.02
    names = {path.name for path in (red.with_suffix("") / "repair").iterdir()}
    assert {"spoiled_repaired.yaml", "model.meta", "model.index", "model.encodings", "repair.md"} <= names
    repaired = red.with_suffix("") / "repair" / "spoiled_repaired.yaml"
    assert console.main(["check-card", str(repaired)]) == 0


def test_a_repair_that_cannot_succeed_says_so_and_shows_the_best(folder: Path, demo: DataPaths,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    red = _card(folder, demo, "hopeless", {"param_bitwidth": 3})

    assert _repair(red, "--remedies", "scheme,symmetric") == 1

    found = _left(red)
    assert not found["found"]
    assert found["line"].startswith("no repair: ")
    assert "nothing is left to be tried" in capsys.readouterr().out
    assert (red.with_suffix("") / "report.html").is_file()


def test_a_green_card_has_nothing_to_be_repaired(folder: Path, demo: DataPaths,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    green = _card(folder, demo, "green", {})

    assert _repair(green) == 0

    assert "nothing to repair" in capsys.readouterr().out
    assert not (green.with_suffix("") / "repair").exists()


def test_what_is_red_besides_and_is_nothing_for_a_repair_is_named_with_what_mends_it(
        folder: Path, demo: DataPaths, capsys: pytest.CaptureFixture[str]) -> None:
    card = _card(folder, demo, "unseen", {})
    card.write_text(card.read_text().replace(" mAP_baseline: null", " mAP_baseline: 0.01"))

    assert _repair(card) == 0

    said = capsys.readouterr().out
    assert "nothing to repair: every gate on what quantization costs passes; red besides: mAP_baseline, " in said
    assert "run pytest with --update-baselines" in said


def test_a_gate_that_the_float_variant_misses_is_out_of_reach_and_nothing_is_tried(folder: Path,
                                                                                  demo: DataPaths) -> None:
    card = _card(folder, demo, "unreachable", {})
    card.write_text(card.read_text().replace(" mAP_floor: null", " mAP_floor: 0.9"))

    assert _repair(card) == 1

    found = _left(card)
    assert found["attempts"] == []
    assert "misses mAP_floor 0.9, so no way to quantize it passes" in found["line"]


@pytest.mark.soak
def test_an_interrupted_search_leaves_the_best_so_far_and_goes_on(folder: Path, demo: DataPaths) -> None:
    red = _card(folder, demo, "slow", {"param_bitwidth": 4})
    arguments = [sys.executable, "-W", "ignore", "-m", "quant_accuracy", "repair", "--model", str(red), "--cache-dir",
                 str(ROOT / ".cache"), "--output-dir", str(red.with_suffix("")), "--remedies", "scheme,per-channel,"
                 "equalization,bias-correction"]
    process = subprocess.Popen(arguments, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               universal_newlines=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stderr is not None
    said = next(line for line in iter(process.stderr.readline, "") if line.startswith("repair: per-channel"))
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=120)

    assert said
    assert process.returncode == 130, rest
    assert "resumes" in rest
    found = _left(red)
    assert found["ended"] == "interrupted"
    assert found["chosen"]["name"] == "per-channel weights"
    assert (red.with_suffix("") / "repair" / "slow_repaired.yaml").is_file()


@pytest.mark.parametrize(("arguments", "message"), [
    (("--remedies", "magic"), "'magic' is not a remedy; use some of scheme,"),
    (("--budget", "0"), "above 0"),
])
def test_options_that_make_no_sense_are_refused_before_anything_is_computed(
        arguments: Any, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        console.main(["repair", *arguments])

    assert stop.value.code == 2
    assert message in capsys.readouterr().err
