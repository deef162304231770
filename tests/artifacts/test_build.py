"""What the entries of the cache depend on."""

from pathlib import Path

import pytest

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import ready
from quant_accuracy.settings import card, options
from tests.support import rooms


def test_a_float_graph_is_made_again_where_any_code_that_makes_it_is_another(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rooms.asked_of(monkeypatch, build)
    demo = card.load(options.DEMO_CARD)

    with pytest.raises(rooms.AskedError):
        build.restore(demo, ready.CHECKPOINT, Cache(tmp_path))

    made_of = rooms.of("quant_accuracy.freezing.load") | rooms.of("quant_accuracy.folding.fold")
    assert {"graph", "freezing", "folding"} <= made_of
    assert made_of - {"base"} <= asked()
