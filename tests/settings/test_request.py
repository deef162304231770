"""From cards and options to requests."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.values import Values


def _no_demo(cache: Cache) -> DataPaths:
    raise AssertionError("the demo is not wanted")


def test_options_overrule_the_card(tmp_path: Path) -> None:
    values: Dict[str, Any] = {"model_checkpoint": Path("m/model.ckpt"), "dataset_dir": Path("d"),
                              "annotation_json_file": Path("a.json"), "calibration_images": 7, "cache_dir": tmp_path}

    (request,), cache = requests.resolve(Values(values), _no_demo)

    assert request.card.name == options.REAL_CARD
    assert request.card.calibration_images == 7
    assert request.data.pattern == "coco_val.record-*-of-00010"
    assert cache.root == tmp_path


def test_missing_data_paths_are_named_as_options() -> None:
    with pytest.raises(ConfigurationError, match="set --model-checkpoint, --annotation-json-file, or the same"):
        requests.resolve(Values({"model": [options.REAL_CARD], "dataset_dir": Path("d")}), _no_demo)


def test_a_pattern_stands_for_the_cards_that_it_takes_wherever_options_are_asked(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("mine_a", "mine_b"):
        (tmp_path / "models" / f"{name}.yaml").write_text(f"base: {options.DEMO_CARD}\nname: {name}\n")
    values = requests.expanded(Values({"model": ["mine_*"]}, root=tmp_path))

    assert values.models() == ["mine_a", "mine_b"]
    assert [one.name for one in requests.chosen_cards(values)] == ["mine_a", "mine_b"]
    assert folders.output(values, "mine_a") == tmp_path / "output" / "mine_a"


def test_what_a_card_names_beside_the_demo_is_taken_instead_of_it(tmp_path: Path) -> None:
    (tmp_path / "own.index").write_bytes(b"")
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: {options.DEMO_CARD}\nname: mine\ndata: {{checkpoint: own}}\n")
    demo = DataPaths(Path("demo/model.ckpt"), Path("demo"), "val-*", Path("demo/val.json"))

    (request,), _ = requests.resolve(Values({"model": [str(path)]}), lambda cache: demo)

    assert request.data == replace(demo, checkpoint=tmp_path / "own")
