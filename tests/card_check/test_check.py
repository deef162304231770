import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from quant_accuracy.card_check import check
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.values import Values
from tests.support.places import ROOT


def _card(folder: Path, **changes: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": options.DEMO_CARD, "name": "mine", **changes}))
    return str(path)


def test_the_demo_has_no_fault_and_all_of_it_was_looked_at(demo: DataPaths) -> None:
    found = check.check(options.DEMO_CARD, Values({}), lambda: demo)

    assert (found.faults, found.notes) == ([], [])
    assert len(found.checked) == 4


def test_faults_of_keys_and_of_data_are_told_at_once(demo: DataPaths, tmp_path: Path) -> None:
    model = _card(tmp_path, calibration={"images": 500}, gates={"mAP_floor": "low"}, known_failures={"bias": "x"})

    found = check.check(model, Values({"baseline_dir": tmp_path}), lambda: demo)

    assert [name in fault for name, fault in zip(("mAP_floor", "known_failures.bias", "500 calibration images"),
                                                 found.faults)] == [True] * 3
    assert len(found.faults) == 3


def test_what_the_card_does_not_say_is_named_and_no_fault() -> None:
    found = check.check(options.REAL_CARD, Values({}))

    assert found.faults == []
    assert found.notes == ["not looked at, because the card does not say where it is: checkpoint, dataset_dir, "
                           "annotations; give --model-checkpoint, --dataset-dir, --annotation-json-file"]


def test_paths_that_are_given_overrule_the_card(tmp_path: Path, demo: DataPaths) -> None:
    found = check.check(options.DEMO_CARD, Values({"model_checkpoint": tmp_path / "none",
                                                  "annotation_json_file": tmp_path / "none.json"}), lambda: demo)

    assert [f"{tmp_path}/none" in fault for fault in found.faults] == [True, True]


@pytest.mark.parametrize(("gates", "noted"), [({}, True), (None, False)])
def test_a_baseline_that_is_not_there_yet_is_a_note_where_gates_compare_with_it(gates: Any, noted: bool,
                                                                                tmp_path: Path) -> None:
    found = check.check(_card(tmp_path, gates=gates), Values({"baseline_dir": tmp_path}))

    assert found.faults == []
    assert any("has no baseline yet" in note for note in found.notes) == noted


def test_a_damaged_baseline_is_a_fault_for_each_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("figures.json", "quantizers.json"):
        (tmp_path / "mine" / name).write_text("{")

    found = check.check(_card(tmp_path), Values({"baseline_dir": tmp_path}))

    assert [name in fault for name, fault in zip(("figures.json", "quantizers.json"), found.faults)] == [True, True]


def test_keys_alone_are_checked_without_tensorflow(tmp_path: Path) -> None:
    model = _card(tmp_path, gates={"mAP_floor": "low"}, data={"demo": "x"})
    done = subprocess.run([sys.executable, "-c", "import sys; from quant_accuracy.commands import check_card; "
                           f"print(check_card.main([{model!r}]), 'tensorflow' in sys.modules)"],
                          stdout=subprocess.PIPE, text=True, cwd=str(ROOT))

    *said, total, end = done.stdout.splitlines()
    assert (total, end) == (f"{model}: 2 faults", "2 False")
    assert [line.split(" is ")[0] for line in said if line.startswith("fault: ")] == [
        f"fault: {model}: gates.mAP_floor", f"fault: {model}: data.demo"]


def test_paths_are_looked_at_whatever_else_is_wrong(tmp_path: Path) -> None:
    model = _card(tmp_path, base=options.REAL_CARD, quantization={"config": "nowhere.json"},
                  data={"checkpoint": "none/model.ckpt", "dataset_dir": "no folder", "pattern": None})

    found = check.check(model, Values({}))

    assert [name in fault for name, fault in zip(("nowhere.json", "none/model.ckpt", "no folder: no such folder"),
                                                 found.faults)] == [True] * 3
    assert len(found.faults) == 3
