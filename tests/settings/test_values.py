"""The options of a run: what was typed, or set elsewhere."""

from pathlib import Path

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import values
from quant_accuracy.settings.options import OPTIONS
from quant_accuracy.settings.values import Values


def test_what_is_typed_comes_before_what_is_set() -> None:
    found = Values({"shards": "0", "threads": None}, {"shards": "1", "threads": 2})

    assert (found.get("shards"), found.get("threads"), found.get("jobs")) == ("0", 2, None)


def test_paths_that_are_set_in_a_file_are_relative_to_it_and_names_stay(tmp_path: Path) -> None:
    given = {"baseline_dir": Path("mine"), "cache_dir": Path("/cache"), "TFRecord_file_pattern": "a/b*",
             "model": ["mine", "cards/x.yaml", "mine_*"], "threads": 2, "history": None}

    assert values.relative_to(tmp_path, given) == {
        "baseline_dir": tmp_path / "mine", "cache_dir": Path("/cache"), "TFRecord_file_pattern": "a/b*",
        "model": ["mine", str(tmp_path / "cards/x.yaml"), "mine_*"], "threads": 2, "history": None}


def test_a_path_loses_its_dots_unless_they_stand_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "card.yaml").write_text("")

    assert values.joined(tmp_path / "a", Path("../card.yaml")) == tmp_path / "card.yaml"
    assert values.joined(tmp_path / "link", Path("../card.yaml")) == tmp_path / "link" / ".." / "card.yaml"
    assert values.joined(tmp_path, Path("new")) == tmp_path / "new"


def test_a_variable_is_the_option_in_capitals_and_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_MODEL", "a b")
    monkeypatch.setenv("QUANT_ACCURACY_STRICT", "yes")

    assert values.from_environment(OPTIONS) == {"model": ["a", "b"], "strict": True}
    monkeypatch.setenv("QUANT_ACCURACY_THREADS", "many")
    with pytest.raises(ConfigurationError, match="environment variable QUANT_ACCURACY_THREADS: 'many' is not a whole"):
        values.from_environment(OPTIONS)


def test_a_variable_that_holds_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.setenv(option.variable, " ")

    assert values.from_environment() == {}
