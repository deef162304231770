"""What is said where AIMET for ONNX is not there, in either lane."""

import importlib
import os
import subprocess
import sys

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.aimet_onnx import installation
from tests.support.places import ROOT

_ABSENT = """
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.aimet_onnx import installation

installation._found = lambda module: False
try:
    installation.require()
except ConfigurationError as error:
    print(error)
"""
_LOADED = """
import logging

from quant_accuracy.quantization.aimet_onnx import installation

root = logging.getLogger()
before = list(root.handlers), root.level
installation.load_modules()
logging.getLogger("Quant").warning("not shown")
assert (list(root.handlers), root.level) == before
"""


@pytest.mark.parametrize(("run", "command"), [
    ("./run", "./run aimet-install"),
    ("", "pip install 'quant_accuracy[aimet-onnx]'"),
])
def test_without_it_the_command_that_installs_it_is_named(run: str, command: str) -> None:
    # In a process of its own: what was typed does not change in one.
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _ABSENT], cwd=str(ROOT), capture_output=True,
                          text=True, env={**os.environ, "QUANT_ACCURACY_RUN": run}, check=True)

    assert f"`{command}`" in done.stdout
    assert "use --backend builtin" in done.stdout
    if sys.version_info < (3, 10):
        assert "needs Python 3.10 or later, and this is 3.7: " in done.stdout
        assert run == "" or "put QUANT_ACCURACY_PYTHON=3.12, say, before `./run aimet-install`" in done.stdout


def test_what_it_needs_and_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "installed", lambda: "2.42.0")
    monkeypatch.setattr(installation, "_found", lambda module: module != "torch")

    with pytest.raises(ConfigurationError, match=r"needs torch, .*; run `.*aimet-.*`, or"):
        installation.require()


def test_another_version_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(installation, "installed", lambda: "2.420.0")
    monkeypatch.setattr(installation, "_found", lambda module: True)

    assert installation.require() == "2.420.0"
    assert "warning: AIMET ONNX 2.420.0 is installed, but 2.42 is the tested version" in capsys.readouterr().err


def test_what_cannot_be_loaded_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("libtorch.so: cannot open shared object file\nmore")

    monkeypatch.setattr(importlib, "import_module", fail)

    with pytest.raises(ConfigurationError, match=r"cannot be loaded \(libtorch\.so.*file\); run `.*aimet-.*` again"):
        installation.load_modules()


def test_loading_it_leaves_logging_as_it_was_and_writes_nothing(with_aimet_onnx: None) -> None:
    # In a process of its own, which has not loaded it before.
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _LOADED], cwd=str(ROOT), capture_output=True,
                          text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
