"""The wheels of AIMET's release 1.19.1, which a user has from its page; no index has them."""

import shutil
from pathlib import Path
from typing import List, Sequence

import own_pip
from failure import InstallationError

_PAGE = "https://github.com/quic/aimet/releases/tag/1.19.1.py37"


def keep(files: Sequence[str], folder: Path) -> None:
    """Copy the wheels to where a new environment of the lane finds them again."""
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, str(folder))


def install(python: str, folder: Path) -> None:
    """Install the wheels that were kept, without what they ask for: the lane has it, in other versions.

    Raises:
        InstallationError: They are not there.
    """
    wheels: List[str] = sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        raise InstallationError(f"AIMET's wheels are not there; get them from {_PAGE}")
    own_pip.run(python, "--no-deps", "--no-index", "--force-reinstall", *wheels)
