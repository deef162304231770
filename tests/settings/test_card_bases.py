from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.records import Override
from quant_accuracy.settings import card
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import Gate

_SHARED: Dict[str, Any] = {
    "name": "shared",
    "graph": {"starting_op": "start", "output_ops": ["end", "other_end"]},
    "input": {"height": 300, "width": 320},
    "quantization": {"param_bitwidth": 8, "overrides": {"a*": {"bitwidth": 16}, "ab*": {"bitwidth": 4}}},
    "gates": {"mAP_drop": 0.005, "mAP_floor": 0.24, "mAP_baseline": "jitter"},
}


def _write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a card that others build on."""
    _write(tmp_path / "shared.yaml", _SHARED)
    return tmp_path


def _built_on(folder: Path, **own: Any) -> card.ModelCard:
    return card.load(str(_write(folder / "mine.yaml", {"base": "shared", "name": "mine", **own})), (folder,))


def test_a_card_says_only_what_differs_from_its_base(folder: Path) -> None:
    shared = card.load(str(folder / "shared.yaml"))

    found = _built_on(folder, quantization={"param_bitwidth": 4}, graph={"output_ops": ["last"]})

    assert (found.name, found.label()) == ("mine", "mine-w4a8")
    assert (found.height, found.width, found.graph.starting_ops) == (300, 320, ("start",))
    assert found.graph.output_ops == ("last",)
    assert found.gates == shared.gates
    assert found.quantization.overrides == shared.quantization.overrides


def test_null_removes_what_the_base_says(folder: Path) -> None:
    found = _built_on(folder, gates={"mAP_floor": None, "mAP_baseline": None, "mAP_ratio": 0.99})

    assert found.gates == (Gate("mAP_drop", 0.005), Gate("mAP_ratio", 0.99))
    assert _built_on(folder, gates=None).gates == ()


def test_a_limit_of_the_base_stays_where_a_known_failure_is_added(folder: Path) -> None:
    drop = _built_on(folder, gates={"mAP_drop": {"known_failure": "until #123"}}).gates[0]

    assert (drop.limit, drop.known_failure and drop.known_failure.reason) == (0.005, "until #123")


def test_overrides_of_a_card_come_after_those_of_its_base(folder: Path) -> None:
    found = _built_on(folder, quantization={"overrides": {"a*": {"enabled": False}}})

    assert found.quantization.overrides == (Override("ab*", 4, None, None), Override("a*", 16, None, False))


def test_paths_are_relative_to_the_card_that_says_them(tmp_path: Path) -> None:
    absolute = tmp_path / "elsewhere.json"
    _write(tmp_path / "shared" / "base.yaml", {**_SHARED, "data": {
        "checkpoint": "../model.ckpt", "dataset_dir": "records", "pattern": "r-*", "annotations": str(absolute)}})
    own = _write(tmp_path / "mine" / "mine.yaml", {"base": "../shared/base.yaml", "name": "mine",
                                                   "data": {"dataset_dir": "my_records"}})

    found = dict(card.load(str(own)).data)

    assert found.pop("pattern") == "r-*"
    assert {key: Path(path).resolve() for key, path in found.items()} == {
        "checkpoint": tmp_path / "model.ckpt", "dataset_dir": tmp_path / "mine" / "my_records", "annotations": absolute}


def test_a_card_may_build_on_the_shipped_one_of_its_own_file_name(tmp_path: Path) -> None:
    shipped = card.load("ssd_mobilenet_v2_coco")
    _write(tmp_path / "ssd_mobilenet_v2_coco.yaml", {"base": "ssd_mobilenet_v2_coco", "name": "mine"})

    found = card.load("ssd_mobilenet_v2_coco", (tmp_path, SHIPPED))

    assert (found.name, found.gates) == ("mine", shipped.gates)


@pytest.mark.parametrize(("base", "own", "message"), [
    ({}, {"gates": {"mAP_dorp": None}}, r"mine.yaml: gates.mAP_dorp is null, and there is nothing of that name to "
     "remove; did you mean 'mAP_drop'"),
    ({}, "base: shared\nname: mine\ngates:\n", "mine.yaml: gates is empty; write null to remove"),
    ({}, {"name": "shared"}, "mine.yaml: name is 'shared', as in its base .*shared.yaml; give it a name of its own"),
    ({}, {"name": None}, "mine.yaml: name is null"),
    ({}, {"gates": {"mAP_drop": "low"}}, "mine.yaml: gates.mAP_drop is 'low'; give a number"),
    ({"gates": {"mAP_drop": "low"}}, {}, "shared.yaml: gates.mAP_drop is 'low'; give a number"),
    ({"gates": {"mAP_drop": "low"}}, {"gates": {"mAP_floor": 0.2}}, "shared.yaml: gates.mAP_drop is 'low'"),
    ({"gates": {"mAP_drop": "low"}}, {"gates": {"mAP_drop": {"known_failure": "x"}}},
     "shared.yaml: gates.mAP_drop.limit is 'low'"),
    ({"grahp": {}}, {}, "shared.yaml: grahp is unknown; did you mean 'graph'"),
    ({"input": {"height": 300}}, {"input": {"width": 0}}, "mine.yaml: input.width is 0"),
    ("- a list", {}, "shared.yaml: it is not a mapping of names"),
    ("x: [", {}, "shared.yaml.*: not YAML"),
    ({}, {"base": "shraed"}, "mine.yaml: base is 'shraed', and there is no such model card beside it or in .*; did you "
     "mean 'shared'"),
    ({}, {"base": "min"}, r"no such model card beside it or in \S+; give its path, relative to the card that says it, "
     "or start in the folder whose models/ has it"),
    ({}, {"base": "../shared.yaml"}, r"mine.yaml: base is '../shared.yaml', and there is no file .*\.\./shared.yaml"),
    ({}, {"base": ["shared"]}, r"mine.yaml: base is \['shared'\]; give a text"),
    ({"base": "mine"}, {}, r"shared.yaml: base leads back to .*mine.yaml: .*mine.yaml -> .*shared.yaml -> .*mine.yaml"),
    ({"base": "shared"}, {}, r"shared.yaml: base leads back to .*shared.yaml"),
])
def test_a_wrong_base_is_refused_with_the_file_that_says_it(base: Any, own: Any, message: str, tmp_path: Path) -> None:
    _write(tmp_path / "shared.yaml", base if isinstance(base, str) else {**_SHARED, **base})
    path = _write(tmp_path / "mine.yaml", own if isinstance(own, str) else {"base": "shared", "name": "mine", **own})

    with pytest.raises(ConfigurationError, match=message):
        card.load(str(path), (tmp_path,))


def test_too_many_cards_in_a_row_are_refused_with_the_whole_chain(tmp_path: Path) -> None:
    for number in range(9):
        _write(tmp_path / f"c{number}.yaml", {"base": f"c{number + 1}", "name": f"c{number}"})
    _write(tmp_path / "c9.yaml", _SHARED)

    with pytest.raises(ConfigurationError, match=r"c7.yaml: base is the 8th in a row: .*c0.yaml -> .*c1.yaml -> "):
        card.load(str(tmp_path / "c0.yaml"))
    assert card.load(str(tmp_path / "c3.yaml")).height == 300
