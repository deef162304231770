"""Which AIMET is installed, and what is said where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quant_accuracy.quantization import aimet
from tests.support.places import ROOT


def _require(folder: Path) -> str:
    """What `require` says in a process that finds packages in `folder` first."""
    script = ("from quant_accuracy.base.errors import ConfigurationError\n"
              "from quant_accuracy.quantization import aimet\n"
              "try:\n    print('found', aimet.require())\n"
              "except ConfigurationError as error:\n    print('refused:', error)\n")
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, cwd=str(ROOT), env={**os.environ, "PYTHONPATH": str(folder)})
    return done.stdout


def _distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _package(folder: Path, *modules: str) -> None:
    package = folder / "aimet_tensorflow"
    package.mkdir()
    for module in modules:
        (package / module).write_text("")


@pytest.mark.skipif(aimet.installed() is not None, reason="AIMET is installed")
def test_without_aimet_the_message_says_where_its_wheels_are(tmp_path: Path) -> None:
    said = _require(tmp_path)

    assert said.startswith("refused: AIMET is not installed; ")
    assert aimet.WHEELS in said
    assert "AimetCommon and AimetTensorflow" in said


@pytest.mark.skipif(aimet.installed() is not None, reason="AIMET is installed")
def test_placeholder_of_the_public_index_does_not_count(tmp_path: Path) -> None:
    _distribution(tmp_path, "aimet-tensorflow", "0.0.1")
    _package(tmp_path, "__init__.py")

    said = _require(tmp_path)

    assert said.startswith("refused: AIMET is not installed: the package aimet-tensorflow")
    assert "placeholder" in said
    assert aimet.WHEELS in said


@pytest.mark.parametrize(("version", "said"), [
    pytest.param("tf-gpu-1.19.1.py37", "found 1.19.1\n", id="known"),
    pytest.param("tf-cpu-1.22.2", "warning: AIMET 1.22.2 is installed, but 1.19 is what is known to work", id="other"),
])
def test_version_is_that_of_the_wheel_whatever_its_variant(tmp_path: Path, version: str, said: str) -> None:
    _distribution(tmp_path, "AimetTensorflow", version)
    _package(tmp_path, "quantsim.py")

    assert _require(tmp_path).startswith(said)
