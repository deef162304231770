"""The project itself: the set-up script, and imports that point one way."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List

import pytest
from packaging.requirements import Requirement

from quant_accuracy.base import distributions
from tests.support.checkouts import LANE
from tests.support.places import ROOT

# A package may import those before it.
_LAYERS = ["quant_accuracy", "fixtures", "tools"]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _engine() -> Dict[str, Path]:
    root = ROOT / "quant_accuracy"
    return {str(path.relative_to(root)): path for path in sorted(root.rglob("*.py"))}


@pytest.mark.parametrize("layer", _LAYERS)
def test_a_layer_imports_only_what_lies_below_it(layer: str) -> None:
    above = [*_LAYERS[_LAYERS.index(layer) + 1:], "tests", "benchmarks", "test_quant_accuracy", "conftest"]
    wrong = [f"{path.name}: {name}" for path in (ROOT / layer).rglob("*.py") for name in _imports(path)
             if name.split(".")[0] in above]

    assert not wrong


def test_the_engine_knows_nothing_of_pytest_and_only_preparation_knows_object_detection() -> None:
    found = {(name, imported.split(".")[0]) for name, path in _engine().items() for imported in _imports(path)}

    assert not [name for name, package in found
                if package in ("pytest", "_pytest", "xdist") and not name.startswith("plugin/")]
    assert {name.split("/")[0] for name, package in found if package == "object_detection"} == {"preparation"}


def test_numbers_are_computed_without_tensorflow() -> None:
    engine = ROOT / "quant_accuracy"
    paths = [path for package in ("scoring", "judging") for path in engine.glob(f"{package}/*.py")]
    paths += [engine / f"{name}.py" for name in (
        "quantization/encodings", "quantization/records", "quantization/snapshot", "quantization/assumptions",
        "detection/merge", "detection/store", "reporting/gate_table", "reporting/page/pages",
        "reporting/page/views", "reporting/page/tables", "reporting/page/plots", "reporting/page/drawing",
        "reporting/document/read_report", "reporting/comparison", "reporting/document/history",
        "reporting/pictures/scenes", "reporting/pictures/pictures", "base/stopwatch")]

    for path in paths:
        assert not [module for module in _imports(path) if "tensorflow" in module]


def _lock(lane: str) -> List[Requirement]:
    lines = (ROOT / "requirements" / f"{lane}.lock").read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line[:1].isalpha()]


@pytest.mark.parametrize("lane", ["tensorflow1", "tensorflow2"])
def test_every_direct_requirement_is_locked_at_its_version(lane: str) -> None:
    lines = (ROOT / "requirements" / f"{lane}.in").read_text().splitlines()
    direct = [Requirement(text) for text in (line.split("#")[0].strip() for line in lines) if text]
    locked = {requirement.name.lower(): str(requirement.specifier)[2:] for requirement in _lock(lane)}

    assert [str(each) for each in direct if locked[each.name.lower()] not in each.specifier] == []


def test_the_environment_of_the_tests_is_the_locked_one() -> None:
    installed = {_canonical(str(package.metadata["Name"])): package.version
                 for package in distributions.metadata.distributions()}
    wanted = {_canonical(requirement.name): str(requirement.specifier)[2:] for requirement in _lock(LANE)
              if requirement.marker is None or requirement.marker.evaluate()}
    wrong = {name: (version, installed.get(name)) for name, version in wanted.items()
             if installed.get(name) != version}

    assert not wrong


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tracked(pattern: str) -> List[Path]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=str(ROOT), stdout=subprocess.PIPE, text=True)
    return [ROOT / name for name in listed.stdout.split()] or sorted(ROOT.glob(f"*/{pattern}"))


def test_no_pickle_is_loaded_and_yaml_is_loaded_safely() -> None:
    engine = [path for path in _tracked("*.py") if path.relative_to(ROOT).parts[0] != "tests"]
    text = {path: path.read_text(encoding="utf-8") for path in engine}

    assert len(text) > 50
    for path, source in text.items():
        assert not re.search(r"^\s*(import|from) (pickle|cPickle|dill|shelve|marshal|joblib)", source, re.M), path
        assert not re.search(r"yaml\.(load|full_load|unsafe_load)\b", source), path
        for call in re.finditer(r"np\.load\([^\n]*", source):
            assert "allow_pickle=False" in call.group(), path


@pytest.mark.parametrize("tool", ["report", "compare", "jitter", "export_checkpoint", "create_coco_tfrecords"])
def test_a_tool_of_a_python_without_the_requirements_ends_with_what_could_not_be_measured(tool: str) -> None:
    # -S leaves out what is installed.
    done = subprocess.run([sys.executable, "-S", str(ROOT / "tools" / f"{tool}.py")], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin"})

    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
