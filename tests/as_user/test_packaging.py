"""What the wheel says that it needs, against what the engine imports and what is locked."""

import ast
import re
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Set

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.support.places import ROOT

# What is imported under another name than it is installed under.
_NAMES = {"PIL": "pillow", "yaml": "pyyaml", "google": "protobuf", "importlib_metadata": "importlib-metadata",
          "jinja2": "jinja2", "xdist": "pytest-xdist", "_pytest": "pytest"}
# OpenVINO, Ray and what AIMET for ONNX brings are extras; AIMET and object_detection are found where somebody has
# installed them.
_OPTIONAL = {"openvino", "ray", "aimet_common", "aimet_tensorflow", "object_detection", "test_quant_accuracy",
             "quant_accuracy", "aimet_onnx", "onnx", "onnxruntime", "tf2onnx", "torch"}


# Of the versions that a requirement names for one lane or the other.
_LANES = {"tensorflow1": {"python_version": "3.7", "python_full_version": "3.7.16"},
          "tensorflow2": {"python_version": "3.12", "python_full_version": "3.12.1"}}


def _section(name: str) -> List[str]:
    """A list of pyproject.toml, which Python 3.7 has nothing to read with."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(rf"^{name} = (\[.*?\])$", text, flags=re.MULTILINE | re.DOTALL)
    assert found, name
    listed: List[str] = ast.literal_eval(found.group(1))
    return listed


def _of_lane(requirements: Iterable[str], lane: str) -> Iterator[Requirement]:
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate(_LANES[lane]):
            yield requirement


def _required(lane: str) -> Dict[str, Requirement]:
    return {requirement.name.lower(): requirement for requirement in _of_lane(_section("dependencies"), lane)}


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


@pytest.mark.parametrize("lane", list(_LANES))
def test_everything_that_is_imported_is_required_and_the_other_way_round(lane: str) -> None:
    imported = {_NAMES.get(name, name).lower() for name in set(_imported()) - _of_python() - _OPTIONAL}
    if lane == "tensorflow2":
        # Python has it itself since 3.8.
        imported -= {"importlib-metadata"}

    # Workers of `-n 2` come from pytest-xdist, whose hooks are asked for by name.
    assert imported | {"pytest-xdist"} == set(_required(lane))


def _locked(*names: str) -> Dict[str, Set[str]]:
    """Package -> versions, of which a Python of the lane has one."""
    found: Dict[str, Set[str]] = {}
    for name in names:
        for line in (ROOT / "requirements" / f"{name}.lock").read_text().splitlines():
            if line[:1].isalpha():
                package, version = line.split()[0].lower().split("==")
                found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("lane", list(_LANES))
def test_the_locked_versions_are_among_those_that_the_wheel_asks_for(lane: str) -> None:
    extras = ["aimet-onnx"] if lane == "tensorflow2" else []
    locked = _locked(lane, f"ray-{lane}", *extras)
    # The same without the kernels for GPUs, where there is one.
    locked.setdefault("tensorflow", set()).update(locked.get("tensorflow-cpu", set()))
    names = [name for extra in ("openvino", "ray", "aimet-onnx", "dev", "requires") for name in _section(extra)]
    asked = [*_required(lane).values(), *_of_lane(names, lane)]

    assert [str(each) for each in asked
            if not all(version in each.specifier for version in locked[each.name.lower()])] == []


def test_the_wheel_is_for_the_pythons_of_the_lanes_and_no_other() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    asked = re.search(r'^requires-python = "(.*)"$', text, flags=re.MULTILINE)
    assert asked
    wanted = {f"3.{minor}" for minor in range(4, 20) if f"3.{minor}.5" in SpecifierSet(asked.group(1))}

    assert wanted == {"3.7", "3.10", "3.11", "3.12", "3.13"}
    assert {f"Programming Language :: Python :: {version}" for version in wanted} <= set(_section("classifiers"))
