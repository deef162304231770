"""`docs/model-card.md` has every key that the reader of cards knows, and no other."""

import re
from typing import Any, Dict, Set, Tuple

import pytest
import yaml

from quant_accuracy.base.documents import Section
from quant_accuracy.settings import card, card_bases
from quant_accuracy.settings.card_bases import CardDocument
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import EXPECTED, GATES
from tests.support.places import ROOT

_PAGE = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
# A card that has every section there is.
_WHOLE: Dict[str, Any] = {
    "name": "mine", "graph": {"starting_op": "start", "output_ops": ["end"]}, "input": {"height": 1, "width": 1},
    "quantization": {"overrides": {"PATTERN": {}}},
    "gates": {name: {"expected": 0.5, "within": 0.1} if name == EXPECTED else {"limit": 0.1} for name in GATES},
}
_HEADINGS = {"The card": "", '`quantization.overrides."PATTERN"`': "quantization.overrides.PATTERN"}


def _known(monkeypatch: pytest.MonkeyPatch) -> Set[Tuple[str, str]]:
    """The keys by section, as the reader asks for them; gates but one are alike."""
    known: Set[Tuple[str, str]] = set()
    only = Section.only

    def noted(section: Section, *keys: str) -> Section:
        place = section._prefix.rstrip(".")
        place = "gates.NAME" if place.startswith("gates.") and place != f"gates.{EXPECTED}" else place
        known.update((place, key) for key in keys)
        return only(section, *keys)

    monkeypatch.setattr(Section, "only", noted)
    card.read(CardDocument(ROOT / "mine.yaml", _WHOLE, {}))
    return known


def _described() -> Set[Tuple[str, str]]:
    found: Set[Tuple[str, str]] = set()
    for part in _PAGE.split("\n### ")[1:]:
        heading, _, text = part.partition("\n")
        section = _HEADINGS.get(heading, heading.strip("`"))
        found.update((section, key) for key in re.findall(r"^\| `([\w]+)` \|", text.split("\n## ")[0], re.MULTILINE))
    return found


def test_every_key_is_described_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(_described()) == sorted(_known(monkeypatch))


def test_the_examples_of_the_page_are_cards(tmp_path: Any) -> None:
    examples = re.findall(r"```yaml\n# models/([\w.]+)\n(.*?)```", _PAGE, re.DOTALL)
    for name, text in examples:
        (tmp_path / name).write_text(text, encoding="utf-8")

    assert [card.load(str(tmp_path / name), (tmp_path, SHIPPED)).name for name, _ in examples] == ["mine", "mine_w4a8"]
    assert all(len(text.splitlines()) <= 5 for _, text in examples)


def test_defaults_on_the_page_are_those_of_the_reader() -> None:
    read = card.read(CardDocument(ROOT / "mine.yaml", {key: _WHOLE[key] for key in ("name", "graph", "input")}, {}))
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", _PAGE, re.MULTILINE))
    names = read.graph

    assert (rows["param_bitwidth"], rows["output_bitwidth"], rows["images"]) == ("8", "8", "50")
    assert rows["scheme"] == f"`{read.quantization.scheme}`"
    assert [rows[key].strip("`") for key in ("image_input", "boxes", "scores", "classes", "count")] \
        == [names.image_input, *names.detections]
    for flag in ("symmetric_params", "symmetric_outputs", "inputs", "outputs"):
        assert rows[flag] == f"`{yaml.safe_dump(getattr(read.assumptions, flag)).split()[0]}`"


def test_paths_on_the_page_are_those_that_are_relative_to_the_card() -> None:
    paths = {key for key, kind in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", _PAGE, re.MULTILINE) if kind == "path"}

    assert paths == {key for _, key in card_bases.PATHS}
