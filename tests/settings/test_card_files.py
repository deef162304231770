from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import card, card_files
from quant_accuracy.settings.card_files import SHIPPED

_SHARED: Dict[str, Any] = {
    "name": "shared", "graph": {"starting_op": "start", "output_ops": ["end"]}, "input": {"height": 300, "width": 320},
}


def _write(path: Path, document: Dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """A folder with a matrix of cards of five lines at most."""
    _write(tmp_path / "shared.yaml", _SHARED)
    for name, bits in (("mine_w8", 8), ("mine_w4", 4), ("mine_w2", 2)):
        _write(tmp_path / f"{name}.yaml", {"base": "shared", "name": name, "quantization": {"param_bitwidth": bits}})
    _write(tmp_path / "_part.yaml", {"input": {"height": 1}})
    return tmp_path


def test_a_pattern_runs_all_cards_that_match_in_order(matrix: Path) -> None:
    found = card.load_all(["mine_*"], (matrix, SHIPPED))

    assert [one.label() for one in found] == ["mine_w2-w2a8", "mine_w4-w4a8", "mine_w8-w8a8"]
    assert [one.given for one in found] == ["mine_w2", "mine_w4", "mine_w8"]


@pytest.mark.parametrize(("patterns", "names"), [
    (["*"], ["mine_w2", "mine_w4", "mine_w8", "shared"]),
    (["mine_w8", "mine_*"], ["mine_w8", "mine_w2", "mine_w4"]),
    (["mine_w[48]"], ["mine_w4", "mine_w8"]),
    (["_*"], ["_part"]),
    (["*_demo"], ["ssd_mobilenet_v2_demo"]),
    (["ssd_mobilenet_v2_demo", "shared"], ["ssd_mobilenet_v2_demo", "shared"]),
])
def test_patterns_take_the_first_folder_with_a_match_and_no_card_twice(matrix: Path, patterns: Any,
                                                                       names: Any) -> None:
    assert card_files.expand(patterns, (matrix, SHIPPED)) == names


def test_a_pattern_may_be_one_of_paths(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(matrix.parent)

    found = card_files.expand([f"{matrix.name}/*_w[24].yaml"], (SHIPPED,))

    assert found == [f"{matrix.name}/mine_w2.yaml", f"{matrix.name}/mine_w4.yaml"]


def test_a_pattern_without_a_match_is_refused_with_what_there_is(matrix: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--model 'yours_\*': no model card matches; --model takes the path "
                       r"of a .yaml file or one of mine_w2, mine_w4, mine_w8, shared, .*ssd_mobilenet_v2_coco"):
        card.load_all(["yours_*"], (matrix, SHIPPED))


def test_two_cards_of_one_name_are_refused_with_their_files(matrix: Path) -> None:
    _write(matrix / "copy.yaml", {**_SHARED, "name": "mine_w8"})

    with pytest.raises(ConfigurationError, match=r"two cards are named mine_w8 \(copy, mine_w8\); give each"):
        card.load_all(["copy", "mine_w8"], (matrix,))


def test_a_name_means_the_card_of_the_first_folder(matrix: Path) -> None:
    _write(matrix / "ssd_mobilenet_v2_demo.yaml", {**_SHARED, "name": "my_demo"})

    assert card.load("ssd_mobilenet_v2_demo", (matrix, SHIPPED)).name == "my_demo"
    assert card.load("ssd_mobilenet_v2_demo", (SHIPPED, matrix)).name == "ssd_mobilenet_v2_demo"
