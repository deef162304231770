"""The locks: one version and a wheel of each package for every Python and machine of a lane, and no package in two."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Dict, List, Set

import pytest

from tests.support.places import ROOT

_LOCKS = ROOT / "requirements"


def _writer() -> ModuleType:
    """What writes the locks; it is no part of the engine."""
    spec = importlib.util.spec_from_file_location("lock_writer", str(_LOCKS / "lock.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lock_writer"] = module
    spec.loader.exec_module(module)
    return module


lock = _writer()


@pytest.mark.parametrize("name", list(lock.LOCKS))
def test_each_package_has_a_wheel_with_a_hash_for_every_machine_that_installs_it(name: str) -> None:
    entries = lock.read(_LOCKS / f"{name}.lock")

    assert len(entries) >= 1
    assert {entry.requirement: entry.lacking() for entry in entries if entry.lacking()} == {}


@pytest.mark.parametrize("name", list(lock.LOCKS))
def test_every_machine_installs_one_version_of_a_package(name: str) -> None:
    entries = [entry for each in (*lock.LOCKS[name], name) for entry in lock.read(_LOCKS / f"{each}.lock")
               # The torch of one lock is what the other one belongs to.
               if not (each == "aimet-onnx-cuda" and entry.name == "torch")]

    for machine in lock.MACHINES:
        installed = [entry.name for entry in entries if entry.holds_for(machine)]
        assert sorted(installed) == sorted(set(installed)), machine


def test_every_machine_of_the_lane_installs_the_same_packages() -> None:
    # For Pythons before the newest, what the newest has itself.
    only_older = {"exceptiongroup", "tomli"}
    # The one is the other without kernels for GPUs.
    names: List[Set[str]] = [
        {entry.name.replace("tensorflow-cpu", "tensorflow") for entry in lock.read(_LOCKS / "tensorflow2.lock")
         if entry.holds_for(machine)} - only_older for machine in lock.MACHINES]

    assert all(each == names[0] for each in names)
    assert {"tensorflow", "openvino", "numpy", "pytest"} <= names[0]


def test_a_wheel_is_taken_by_the_machines_that_it_is_for() -> None:
    takes: Dict[str, List[str]] = {
        name: ["{}.{}".format(*machine.python) for machine in lock.MACHINES
               if machine.takes(name) and (machine.system, machine.machine) == where]
        for name, where in {
            "a-1-py3-none-any.whl": ("linux", "aarch64"),
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl": ("linux", "x86_64"),
            "a-1-cp311-abi3-macosx_11_0_universal2.whl": ("darwin", "arm64"),
            "a-1-cp312-cp312-manylinux_2_39_x86_64.whl": ("linux", "x86_64"),
            "a-1-cp312-cp312-win_amd64.whl": ("linux", "x86_64"),
            "a-1-cp313-cp313t-manylinux_2_17_x86_64.whl": ("linux", "x86_64"),
        }.items()}

    assert list(takes.values()) == [["3.10", "3.11", "3.12", "3.13"], ["3.12"], ["3.11", "3.12", "3.13"], [], [], []]


@pytest.mark.parametrize("path", sorted(_LOCKS.glob("*.lock")), ids=lambda path: path.stem)
def test_a_lock_names_versions_and_hashes_and_nothing_else(path: Path) -> None:
    known = re.compile(r"[A-Za-z0-9._-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|#.*|    # \S+\.whl|")

    assert [line for line in path.read_text().splitlines() if not known.fullmatch(line)] == []


def test_no_package_is_in_two_locks_of_the_older_lane() -> None:
    names = [line.split("==")[0].lower() for lock_name in ("tensorflow1", "ray-tensorflow1", "pedestrian")
             for line in (_LOCKS / f"{lock_name}.lock").read_text().splitlines() if line[:1].isalpha()]

    assert sorted(names) == sorted(set(names))
