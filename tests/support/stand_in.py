"""AIMET as far as the tests have it: its stand-in on the path, for this process or for another, or as wheels."""

import contextlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from tests.support.aimet_stand_in.aimet_tensorflow.batch_norm_fold import ORDER as ORDER
from tests.support.aimet_stand_in.aimet_tensorflow.batch_norm_fold import REVERSED as REVERSED

FOLDER = Path(__file__).resolve().parent / "aimet_stand_in"
_PACKAGES = ("aimet_tensorflow", "aimet_common", "libpymo")


@contextlib.contextmanager
def installed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Have the stand-in installed in this process, and not the real AIMET, if there is one.

    Temporary files go to `folder`: AIMET's lock, which is one for the machine, need not be waited for.
    """
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in _PACKAGES}
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
            del sys.modules[name]
        sys.modules.update(before)


def path() -> str:
    """The variable PYTHONPATH of a process that has the stand-in."""
    return os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])


# The official wheels' names; their version is one of before PEP 440.
VERSION, _IN_FILES = "tf-cpu-1.19.1.py37", "tf_cpu_1.19.1.py37"
_TAG = "cp37-cp37m-linux_x86_64"


def wheels(folder: Path) -> List[Path]:
    """The stand-in packed as AIMET's wheels, AimetCommon and AimetTensorflow, under their names.

    As theirs, the first holds `libpymo` in a folder that no path names, and both ask for packages that a project which
    pins its own must not get.
    """
    hidden = "aimet_common/x86_64-linux-gnu"
    common = {"libpymo.py": f"{hidden}/libpymo.py",
              **{str(path.relative_to(FOLDER)): str(path.relative_to(FOLDER))
                 for path in sorted((FOLDER / "aimet_common").rglob("*.py"))}}
    tensorflow = {str(path.relative_to(FOLDER)): str(path.relative_to(FOLDER))
                  for path in sorted((FOLDER / "aimet_tensorflow").rglob("*.py"))}
    return [_wheel(folder, "AimetCommon", common, "numpy (==1.16.6)"),
            _wheel(folder, "AimetTensorflow", tensorflow, "tensorflow (==1.15.0)")]


def _wheel(folder: Path, name: str, places: Dict[str, str], needs: str) -> Path:
    info = f"{name}-{_IN_FILES}.dist-info"
    files = {target: (FOLDER / source).read_text() for source, target in places.items()}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\nRequires-Dist: {needs}\n"
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {_TAG}\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{_IN_FILES}-{_TAG}.whl"
    with zipfile.ZipFile(str(path), "w") as archive:
        for target, text in files.items():
            archive.writestr(target, text)
    return path
