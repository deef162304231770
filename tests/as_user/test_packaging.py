"""What the wheel says that it needs, against what the engine imports and what is locked."""

import ast
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Set

from packaging.requirements import Requirement

from tests.support.places import ROOT

# What is imported under another name than it is installed under.
_NAMES = {"PIL": "pillow", "yaml": "pyyaml", "google": "protobuf", "importlib_metadata": "importlib-metadata",
          "jinja2": "jinja2", "xdist": "pytest-xdist", "_pytest": "pytest"}
# Ray is an extra; AIMET and object_detection are found where somebody has installed them.
_OPTIONAL = {"ray", "aimet_common", "aimet_tensorflow", "object_detection", "test_quant_accuracy", "quant_accuracy"}


def _section(name: str) -> List[str]:
    """A list of pyproject.toml, which Python 3.7 has nothing to read with."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(rf"^{name} = (\[.*?\])$", text, flags=re.MULTILINE | re.DOTALL)
    assert found, name
    listed: List[str] = ast.literal_eval(found.group(1))
    return listed


def _required() -> Dict[str, Requirement]:
    return {requirement.name.lower(): requirement for requirement in map(Requirement, _section("dependencies"))}


def _imported() -> Iterator[str]:
    for package in ("quant_accuracy", "test_quant_accuracy"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (name.name.split(".")[0] for name in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield node.module.split(".")[0]


def _of_python() -> Set[str]:
    library = Path(ast.__file__).parent
    return set(sys.builtin_module_names) | {path.stem for path in library.iterdir()} \
        | {path.name.split(".")[0] for path in (library / "lib-dynload").iterdir()}


def test_everything_that_is_imported_is_required_and_the_other_way_round() -> None:
    imported = {_NAMES.get(name, name).lower() for name in set(_imported()) - _of_python() - _OPTIONAL}

    # Workers of `-n 2` come from pytest-xdist, whose hooks are asked for by name.
    assert imported | {"pytest-xdist"} == set(_required())


def test_the_locked_versions_are_among_those_that_the_wheel_asks_for() -> None:
    locked = dict(line.split()[0].lower().split("==") for name in ("requirements.lock", "requirements-ray.lock")
                  for line in (ROOT / name).read_text().splitlines() if line[:1].isalpha())
    asked = [*_required().values(), *map(Requirement, [*_section("ray"), *_section("dev"), *_section("requires")])]

    assert [str(each) for each in asked if locked[each.name.lower()] not in each.specifier] == []
