"""The shape of the project: rooms in one order, modules and functions that are read in one sitting."""

import ast
import re
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Set, Tuple

import pytest

from tests.support.places import ROOT

_ENGINE = ROOT / "quant_accuracy"
# From the ground up: a room imports those before it, never one behind it.
_ORDER = ["base", "graph", "runtimes", "freezing", "folding", "data", "quantization", "device", "detection",
          "preparation", "settings", "demo", "scoring", "artifacts", "executors", "judging", "pipeline", "why",
          "repair", "reporting", "card_check", "commands", "plugin"]
_MODULE, _FUNCTION = 300, 60


def _modules() -> Dict[str, Path]:
    """Every module of the engine, by its dotted name."""
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in sorted(_ENGINE.rglob("*.py"))}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def _imports(path: Path) -> Iterator[str]:
    """The names that a module imports, wherever in it, but for those that only type annotations need."""
    nodes: List[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.dump(node.test) == ast.dump(ast.parse("TYPE_CHECKING", mode="eval").body):
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        nodes += ast.iter_child_nodes(node)


def _arrows() -> Dict[str, Set[str]]:
    """The modules that each module of the engine imports."""
    modules = _modules()
    found: Dict[str, Set[str]] = {}
    for name, path in modules.items():
        imported = ((wanted, wanted.rpartition(".")[0]) for wanted in _imports(path))
        targets = {next((target for target in pair if target in modules), "") for pair in imported}
        found[name] = targets - {"", name}
    return found


def _room(module: str) -> str:
    """The room of a module; empty for what stands before all rooms, the package's own doors."""
    name = "".join(module.split(".")[1:2])
    return name if (_ENGINE / name).is_dir() else ""


def _circle(arrows: Dict[str, Set[str]]) -> Sequence[str]:
    """Modules of which each imports another one of them; empty where there is an order."""
    left = dict(arrows)
    while left:
        free = [name for name, targets in left.items() if not targets & set(left)]
        if not free:
            return sorted(left)
        for name in free:
            del left[name]
    return []


def test_every_room_has_its_place_and_imports_only_rooms_before_it() -> None:
    rooms = {_room(name) for name in _modules()} - {""}
    upward = [f"{name} -> {target}" for name, targets in _arrows().items() for target in sorted(targets)
              if _room(name) and _room(target) and _ORDER.index(_room(name)) < _ORDER.index(_room(target))]

    assert not rooms - set(_ORDER)
    assert not upward


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows = _arrows()
    # A room's door hands on what its modules define, and they may import each other through it.
    inner = {name: {target for target in targets if not name.startswith(target + ".")}
             for name, targets in arrows.items()}

    assert _circle({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == ["a", "b", "c"]
    assert not _circle(inner)


def test_the_page_on_architecture_draws_the_rooms_in_this_order_and_names_modules_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^ (\w+) {2,}", page.split("```")[1], re.MULTILINE)
    modules = set(re.findall(r"\b(\w+/\w+\.py)\b", page)) - {"as_user/test_rooms.py"}

    assert drawn[::-1] == [room for room in _ORDER if room in drawn]
    assert {_room(name) for name in _modules()} - {""} == set(drawn)
    assert not [module for module in modules if not (_ENGINE / module).is_file()]


@pytest.mark.parametrize("folder", ["quant_accuracy", "fixtures", "tools", "benchmarks", "test_quant_accuracy"])
def test_modules_and_functions_are_short_enough_to_be_read_in_one_sitting(folder: str) -> None:
    long: List[Tuple[str, int]] = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text()
        if text.count("\n") > _MODULE:
            long.append((str(path.relative_to(ROOT)), text.count("\n")))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = max(getattr(part, "lineno", 0) for part in ast.walk(node)) - node.lineno + 1
                if lines > _FUNCTION:
                    long.append((f"{path.relative_to(ROOT)}: {node.name}", lines))

    assert not long
