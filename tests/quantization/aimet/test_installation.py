"""Which AIMET is installed, and what is said where it is not."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Iterator

import pytest
import tensorflow

from quant_accuracy.base import invocation
from quant_accuracy.quantization import aimet, backends, both_aimets
from quant_accuracy.quantization.aimet import installation, libraries
from quant_accuracy.quantization.records import AIMET, AUTO, BUILTIN, Settings
from tests.support import stand_in
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
@pytest.mark.parametrize(("run", "older", "newer"), [
    ("./run", "`./run aimet-install FILE FILE`, or",
     "`QUANT_ACCURACY_PYTHON=3.7 ./run aimet-install FILE FILE`, then put QUANT_ACCURACY_PYTHON=3.7 before this"),
    ("", "`pip install --no-deps FILE FILE`, or", "`pip install --no-deps FILE FILE` in an environment of Python 3.7"),
])
def test_the_command_that_installs_it_is_one_that_its_python_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                   run: str, older: str, newer: str) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", run)

    assert (older if sys.version_info < (3, 8) else newer) in _require(tmp_path)


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
    pytest.param("tf-cpu-1.22.2", "warning: AIMET 1.22.2 is installed, but 1.19 is the tested version", id="other"),
])
def test_version_is_that_of_the_wheel_whatever_its_variant(tmp_path: Path, version: str, said: str) -> None:
    _distribution(tmp_path, "AimetTensorflow", version)
    _package(tmp_path, "quantsim.py")

    assert _require(tmp_path).startswith(said)


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The stand-in's wheels, unpacked, and nothing else of AIMET on the path."""
    with stand_in.installed(monkeypatch, tmp_path):
        sys.path.remove(str(stand_in.FOLDER))
        folder = tmp_path / "site"
        for wheel in stand_in.wheels(tmp_path):
            zipfile.ZipFile(str(wheel)).extractall(str(folder))
        monkeypatch.syspath_prepend(str(folder))
        yield folder


def _check(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-W", "ignore", "-m", "quant_accuracy.quantization.aimet"],
                          capture_output=True, text=True, cwd=str(ROOT), check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])})


def test_wheels_are_found_with_their_libraries_and_without_any_variable(unpacked: Path) -> None:
    before = list(sys.path), tensorflow.load_op_library

    assert aimet.installed() == "1.19.1"
    assert installation.load_modules().libpymo.__file__ == str(libraries.folder() / "libpymo.py")  # type: ignore
    assert aimet.usable()
    assert backends.settled(Settings(backend=AUTO)).backend == AIMET
    assert (list(sys.path), tensorflow.load_op_library) == before
    done = _check(unpacked)
    assert (done.returncode, done.stdout) == (0, "AIMET 1.19.1 is installed and can be loaded\n")


@pytest.mark.skipif(sys.version_info >= (3, 8), reason="AIMET 1.19 is for Python 3.7")
def test_ops_are_loaded_by_their_bare_name_from_the_folder_of_the_libraries(unpacked: Path) -> None:
    folder = libraries.folder()
    assert folder is not None
    # Any library of ops does: TensorFlow's wheel has some.
    source = next(path for path in Path(tensorflow.__file__).parents[1].glob("tensorflow*/**/*_ops*.so"))
    (folder / "libaimet_tf_ops.so").write_bytes(source.read_bytes())
    (unpacked / "aimet_tensorflow" / "ops.py").write_text(
        "import tensorflow as tf\nLIBRARY = tf.load_op_library('libaimet_tf_ops.so')\n")

    with libraries.found():
        from aimet_tensorflow import ops  # type: ignore[import]
    assert ops.LIBRARY.OP_LIST.op


def _break(folder: Path, what: str) -> str:
    """Break an installation in one way, and say what a message has to have."""
    if what == "common alone":
        (folder / "aimet_common" / "x86_64-linux-gnu" / "libpymo.py").unlink()
        return "No module named 'libpymo'"
    line = {"library": "raise OSError('libcudart.so.10.0: cannot open shared object file')",
            "package": "import jsonschema_of_another_name", "python": "not Python at all"}[what]
    path = folder / "aimet_tensorflow" / "quantsim.py"
    path.write_text(f"{line}\n{path.read_text()}")
    return {"library": "libcudart.so.10.0: cannot open shared object file", "python": "invalid syntax",
            "package": "it needs jsonschema_of_another_name: "
                       f"`{invocation.program('pip install jsonschema_of_another_name')}`"}[what]


@pytest.mark.parametrize("what", ["common alone", "library", "package", "python"])
def test_an_aimet_that_cannot_be_loaded_is_an_error_where_it_is_asked_for_and_a_line_where_it_is_not(
        unpacked: Path, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(installation, "_SAID", set())
    monkeypatch.setattr(installation, "_PYTHON", sys.version_info[:2])
    wanted = _break(unpacked, what)

    for _ in range(2):
        assert backends.settled(Settings(backend=AUTO)).backend == BUILTIN

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: the built-in quantizer backend is used: AIMET 1.19.1 is installed and cannot be")
    assert wanted in line
    assert both_aimets.say_whether_usable("AIMET", installation.require, installation.load_modules) == 2
    said = capsys.readouterr().err
    assert wanted in said
    assert "use --backend builtin" in said


def test_an_aimet_that_cannot_be_loaded_by_another_python_is_told_to_want_its_own(
        unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(installation, "_PYTHON", (2, 7))
    _break(unpacked, "package")

    assert both_aimets.say_whether_usable("AIMET", installation.require, installation.load_modules) == 2
    assert "this is Python 3." in capsys.readouterr().err
