"""AIMET as far as the tests have it: its stand-in on the path, for this process or for another."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Iterator

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
