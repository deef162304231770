"""What is said where AIMET for ONNX is not there, in either lane."""

import importlib
import subprocess
import sys

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.aimet_onnx import installation
from tests.support.places import ROOT

_LOADED = """
import logging

from quant_accuracy.quantization.aimet_onnx import installation

root = logging.getLogger()
before = list(root.handlers), root.level
installation.load_modules()
logging.getLogger("Quant").warning("not shown")
assert (list(root.handlers), root.level) == before
"""


def test_without_it_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_found", lambda module: False)
    needed = r"run \./run aimet-install" if sys.version_info >= (3, 10) else r"needs Python 3\.10 or later.*3\.7"

    with pytest.raises(ConfigurationError, match=needed) as caught:
        installation.require()

    assert "use --backend builtin" in str(caught.value)


def test_what_it_needs_and_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "installed", lambda: "2.42.0")
    monkeypatch.setattr(installation, "_found", lambda module: module != "torch")

    with pytest.raises(ConfigurationError, match=r"needs torch.*run \./run aimet-install"):
        installation.require()


def test_another_version_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(installation, "installed", lambda: "2.420.0")
    monkeypatch.setattr(installation, "_found", lambda module: True)

    assert installation.require() == "2.420.0"
    assert "warning: AIMET ONNX 2.420.0 is installed, but 2.42 is what is known to work" in capsys.readouterr().err


def test_what_cannot_be_loaded_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("libtorch.so: cannot open shared object file\nmore")

    monkeypatch.setattr(importlib, "import_module", fail)

    with pytest.raises(ConfigurationError, match=r"cannot be loaded \(libtorch\.so.*file\); run \./run aimet-install"):
        installation.load_modules()


def test_loading_it_leaves_logging_as_it_was_and_writes_nothing(with_aimet_onnx: None) -> None:
    # In a process of its own, which has not loaded it before.
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _LOADED], cwd=str(ROOT), capture_output=True,
                          text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
