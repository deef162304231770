from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from quant_accuracy.card_check import keys
from quant_accuracy.settings import card_files

_SOUND: Dict[str, Any] = {
    "name": "mine", "graph": {"starting_op": "start", "output_ops": ["end"]}, "input": {"height": 300, "width": 300},
    "gates": {"mAP_drop": 0.01, "mAP_floor": 0.2},
}


def _faults(tmp_path: Path, **changes: Any) -> List[str]:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in {**_SOUND, **changes}.items() if value is not None}))
    read = keys.read(str(path))
    assert all(len(fault.splitlines()) == 1 for fault in read.faults)
    return [fault.replace(f"{path}: ", "") for fault in read.faults]


@pytest.mark.parametrize("name", card_files.names_in(card_files.SHIPPED))
def test_a_shipped_card_has_no_fault(name: str) -> None:
    assert keys.read(name).faults == []


def test_all_wrong_keys_are_told_at_once(tmp_path: Path) -> None:
    found = _faults(tmp_path, name="a/b", calibrations={"images": 5}, input={"height": "x", "width": 0},
                    graph={"starting_op": 7, "output_ops": "end"},
                    quantization={"scheme": "best", "param_bitwidth": 40, "overrides": {"a*": {"bits": 4}}},
                    gates={"mAP_dorp": 1, "float_mAP": {"expected": 0.3}, "mAP_floor": {"limit": "low",
                                                                                        "known_failure": 5}},
                    known_failures={"bias": "x"}, assumptions=[1], data={"demo": 1, "pattern": ""})

    said = [fault.split(" is ")[0] for fault in found]
    assert sorted(said) == sorted([
        "name", "calibrations", "input.height", "input.width", "graph.starting_op", "graph.output_ops",
        "quantization.scheme", "quantization.param_bitwidth", "quantization.overrides.a*.bits", "gates.mAP_dorp",
        "gates.float_mAP.within", "gates.mAP_floor.limit", "gates.mAP_floor.known_failure", "known_failures.bias",
        "assumptions", "data.demo", "data.pattern"])


@pytest.mark.parametrize(("changes", "faults"), [
    ({"input": {"hieght": 300, "width": 300}}, ["input.hieght is unknown; did you mean 'height'? Else remove it"]),
    ({"name": None}, ["name is missing; add it to the model card"]),
    ({"graph": None}, ["graph.starting_op is missing; add it to the model card",
                       "graph.output_ops is missing; add it to the model card"]),
    ({"quantization": {"config": "none.json", "scheme": "best"}},
     ["quantization.scheme is 'best'; use tf or tf_enhanced", "/none.json: cannot be read"]),
])
def test_one_fault_is_told_once(tmp_path: Path, changes: Any, faults: List[str]) -> None:
    found = _faults(tmp_path, **changes)

    assert len(found) == len(faults)
    assert all(wanted in said for wanted, said in zip(faults, found)), found


def test_faults_of_a_configuration_do_not_hide_those_of_the_card(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"defaults": {}, "hw_version": "V66"}')

    found = _faults(tmp_path, quantization={"config": "config.json", "param_bitwidth": 1}, gates={"mAP_drop": "x"})

    assert len(found) == 3
    assert "config.json: " in found[0]


def test_a_file_that_is_no_card_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for text in ("x: [", "- 1", ""):
        path.write_text(text)
        read = keys.read(str(path))
        assert len(read.faults) == 1
        assert read.card is None
    assert len(keys.read(str(tmp_path / "none.yaml")).faults) == 1
