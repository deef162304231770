"""What the entries of the cache depend on."""

import ast
from pathlib import Path
from typing import Set, Tuple

import pytest

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import ready
from quant_accuracy.settings import card, options
from tests.support.places import ROOT


class _AskedError(Exception):
    """The rooms whose code was asked for."""


def _rooms(module: str) -> Set[str]:
    """The rooms of the engine that a module is made of, through all that it imports."""
    seen: Set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = ROOT / (name.replace(".", "/") + ".py")
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return {name.split(".")[1] for name in seen if name.startswith("quant_accuracy.")}


def test_a_float_graph_is_made_again_where_any_code_that_makes_it_is_another(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(*packages: str) -> str:
        raise _AskedError(*packages)

    monkeypatch.setattr(build, "code_digest", digest)
    demo = card.load(options.DEMO_CARD)

    with pytest.raises(_AskedError) as caught:
        build.restore(demo, ready.CHECKPOINT, Cache(tmp_path))

    asked: Tuple[str, ...] = caught.value.args
    made_of = _rooms("quant_accuracy.freezing.load") | _rooms("quant_accuracy.folding.fold")
    assert {"graph", "freezing", "folding"} <= made_of
    assert made_of - {"base"} <= set(asked)
