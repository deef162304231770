"""The wheels of AIMET 1.19.1, which a user has from its page: no index has them."""

import re
import shutil
import sys
import zipfile
import zlib
from pathlib import Path
from typing import List, NamedTuple, Sequence

import own_pip
from failure import InstallationError

PAGE = "https://github.com/quic/aimet/releases/tag/1.19.1.py37"
NEEDED = ("AimetCommon", "AimetTensorflow")
_EXAMPLE = "./run aimet-install AimetCommon-*.whl AimetTensorflow-*.whl"
HOW = f"get AimetCommon-tf_cpu_1.19.1.py37-... and AimetTensorflow-tf_cpu_1.19.1.py37-... from {PAGE}, then {_EXAMPLE}"
# Distribution, version, build if there is one, tags of Python, ABI and platform.
_NAME = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?"
                   r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl")


class _Wheel(NamedTuple):
    file: Path
    name: str


def add(python: str, files: Sequence[str], folder: Path) -> None:
    """Install wheels, and keep them for a new environment of the lane, in place of those that were there.

    Raises:
        InstallationError: One is damaged, or none of AIMET 1.19's for this Python, or one of the two is missing.
    """
    wheels = [_wheel(Path(file)) for file in files]
    for name in NEEDED:
        if not any(wheel.name == name for wheel in wheels):
            raise InstallationError(f"{name} is missing; {HOW}")
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(str(new), ignore_errors=True)
    new.mkdir()
    try:
        for wheel in wheels:
            shutil.copy(str(wheel.file), str(new))
        install(python, new)
        shutil.rmtree(str(folder), ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(str(new), ignore_errors=True)


def _wheel(file: Path) -> _Wheel:
    if not file.is_file():
        raise InstallationError(f"{file}: no such file; {HOW}")
    named = _NAME.fullmatch(file.name)
    if named is None or not zipfile.is_zipfile(str(file)):
        raise InstallationError(f"{file.name} is not a wheel; {HOW}")
    if named["name"].lower().startswith("aimet_onnx"):
        raise InstallationError(f"{file.name} is for the lane tensorflow2, where './run aimet-install' needs no file")
    if named["name"] not in (*NEEDED, "Aimet"):
        raise InstallationError(f"{file.name} is none of {' and '.join(NEEDED)}; {HOW}")
    own = "cp{}{}".format(*sys.version_info[:2])
    if own not in named["python"].split("."):
        raise InstallationError(f"{file.name} is for {named['python']}, this lane has {own}; {HOW}")
    if not named["platform"].startswith(("linux_", "manylinux")):
        raise InstallationError(f"{file.name} is for {named['platform']}; {HOW}")
    if not _is_whole(file):
        raise InstallationError(f"{file.name} is damaged; {HOW}")
    return _Wheel(file, named["name"])


def _is_whole(file: Path) -> bool:
    try:
        with zipfile.ZipFile(str(file)) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return False


def install(python: str, folder: Path) -> None:
    """Install the wheels that were kept, without what they ask for: the lane has it, in other versions.

    Raises:
        InstallationError: They are not there any more.
    """
    wheels: List[str] = sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        raise InstallationError(f"no wheel of AIMET is there; {HOW}")
    own_pip.run(python, "--no-deps", "--no-index", "--force-reinstall", *wheels)
