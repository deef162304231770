"""The YAML of model cards."""

from pathlib import Path
from typing import Any

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import card_yaml


def _parse(folder: Path, text: str) -> Any:
    (folder / "mine.yaml").write_text(text)
    return card_yaml.parse(folder / "mine.yaml")


def test_a_key_without_a_value_is_another_thing_than_null(tmp_path: Path) -> None:
    found = _parse(tmp_path, "empty:\nnull_: null\ntilde: ~\nnested: {inner: }\n")

    assert found["empty"] is card_yaml.EMPTY
    assert found["nested"]["inner"] is card_yaml.EMPTY
    assert (found["null_"], found["tilde"]) == (None, None)


def test_a_key_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml: not YAML .*images appears twice, in lines 2 and 3"):
        _parse(tmp_path, "calibration:\n  images: 5\n  images: 50\n")


def test_the_same_key_in_two_sections_is_no_repetition(tmp_path: Path) -> None:
    assert _parse(tmp_path, "a: {x: 1}\nb: {x: 2}\n") == {"a": {"x": 1}, "b": {"x": 2}}


def test_a_card_that_cannot_be_read_names_the_cards_that_build_on_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("[")

    with pytest.raises(ConfigurationError, match=r"base.yaml \(built on by .*child.yaml\): not YAML"):
        card_yaml.parse(tmp_path / "base.yaml", chain=[tmp_path / "child.yaml"])
