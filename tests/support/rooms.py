"""The rooms that a module is made of, and those whose code a name in the cache is asked for."""

import ast
from types import ModuleType
from typing import Callable, List, Set

import pytest

from tests.support.places import ROOT


class AskedError(Exception):
    """The rooms whose code was asked for."""


def of(module: str) -> Set[str]:
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


def asked_of(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Callable[[], Set[str]]:
    """Have a module's `code_digest` raise an AskedError; the function says of which rooms it was asked."""
    asked: List[str] = []

    def digest(*packages: str) -> str:
        asked.extend(packages)
        raise AskedError(*packages)

    monkeypatch.setattr(module, "code_digest", digest)
    return lambda: set(asked)
