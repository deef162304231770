"""`./run aimet-install`: AIMET's wheels into the lane of Python 3.7, and AIMET for ONNX into the other one."""

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import List

import pytest

from tests.support import stand_in, suite
from tests.support.checkouts import LANE, Checkout
from tests.support.places import ROOT

_old = pytest.mark.skipif(LANE != "tensorflow1", reason="AIMET 1.19 is made for Python 3.7")
_new = pytest.mark.skipif(LANE != "tensorflow2", reason="AIMET for ONNX is made for Python 3.10 and later")
_HOW = "get AimetCommon-tf_cpu_1.19.1.py37-... and AimetTensorflow-tf_cpu_1.19.1.py37-... from https://"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose lane is installed."""
    made = Checkout(tmp_path_factory.mktemp("aimet"), tensorflow=True)
    made.run("true")
    return made


@_old
def test_the_wheels_are_installed_alone_and_again_when_the_lane_is_made_anew(checkout: Checkout,
                                                                             tmp_path: Path) -> None:
    wheels = [str(path) for path in stand_in.wheels(tmp_path)]

    said = checkout.run("aimet-install", *wheels, PIP_NO_INDEX="1")

    assert "AIMET 1.19.1" in said
    listed = checkout.run("python", "-m", "pip", "--disable-pip-version-check", "list", "--path",
                          str(next(checkout.venv.glob("lib/*/site-packages"))))
    assert [line.split()[0] for line in listed.splitlines()[2:]] == ["AimetCommon", "AimetTensorflow"]
    assert checkout.run("true") == "", "the lane is not whole any more"
    for wheel in wheels:
        Path(wheel).unlink()
    # Such as a newer lock brings.
    with (checkout.folder / "requirements" / f"{LANE}.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "installing into" in checkout.run("true")
    assert "AIMET 1.19.1" in checkout.run("python", "-W", "ignore", "-m", "quant_accuracy.quantization.aimet")


@_old
def test_wheels_that_pip_does_not_take_are_not_kept_in_place_of_those_that_it_took(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, tensorflow=True)
    checkout.run("true")
    wheels = stand_in.wheels(tmp_path)
    checkout.run("aimet-install", *map(str, wheels))
    kept = {path.name: path.read_bytes() for path in checkout.folder.glob("*.wheels/*")}
    with zipfile.ZipFile(str(wheels[0]), "w") as empty:
        empty.writestr("readme", "a zip file, and no wheel")

    said = checkout.run("aimet-install", *map(str, wheels), status=2)

    assert len(said.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in checkout.folder.glob("*.wheels*/*")} == kept
    assert "AIMET 1.19.1" in checkout.run("aimet-install")


@_old
@pytest.mark.parametrize(("named", "answer"), [
    ([], f"run: no wheel of AIMET is there; {_HOW}"),
    (["AimetCommon"], f"run: AimetTensorflow is missing; {_HOW}"),
    (["AimetCommon", "no/such.whl"], f"run: no/such.whl: no such file; {_HOW}"),
    (["AimetCommon", "README.md"], f"run: README.md is not a wheel; {_HOW}"),
    (["AimetCommon", "AimetTensorflow-1-cp37-cp37m-linux_x86_64.whl"],
     "run: AimetTensorflow-1-cp37-cp37m-linux_x86_64.whl is not a wheel"),
    (["AimetCommon=AimetTensorflow-tf_cpu_1.2-cp38-cp38-linux_x86_64.whl"], "is for cp38, this lane has cp37"),
    (["AimetCommon=AimetTorch-tf_cpu_1.19-cp37-cp37m-linux_x86_64.whl"], "is none of AimetCommon and AimetTensorflow"),
    (["AimetCommon=aimet_onnx-2.42.0-cp310-abi3-manylinux_2_34_x86_64.whl"], "is for the lane tensorflow2"),
    (["AimetCommon=AimetCommon-tf_cpu_1.19-cp37-cp37m-win_amd64.whl"], "is for win_amd64"),
    (["AimetCommon", "AimetTensorflow-2-cp37-cp37m-linux_x86_64.whl"],
     "run: AimetTensorflow-2-cp37-cp37m-linux_x86_64.whl is damaged; get AimetCommon"),
])
def test_what_cannot_be_installed_is_refused_with_where_the_wheels_are(tmp_path: Path, named: List[str],
                                                                       answer: str) -> None:
    made = {path.name.split("-")[0]: path for path in stand_in.wheels(tmp_path)}
    (tmp_path / "AimetTensorflow-1-cp37-cp37m-linux_x86_64.whl").write_text("not a zip file")
    damaged = bytearray(made["AimetTensorflow"].read_bytes())
    # Behind the header of the first file; what zip files are known by stands at their end.
    damaged[60:80] = bytes(20)
    (tmp_path / "AimetTensorflow-2-cp37-cp37m-linux_x86_64.whl").write_bytes(damaged)
    (tmp_path / "README.md").write_text("read me")
    files = []
    for name in named:
        source, _, target = name.partition("=")
        if target:
            shutil.copy(str(made[source]), str(tmp_path / target))
        files.append(target or (made[source].name if source in made else source))

    done = subprocess.run([str(ROOT / "run"), "python", str(ROOT / "requirements" / "install.py"), "add",
                           str(tmp_path / ".venv-tensorflow1"), "aimet", *files], cwd=str(tmp_path), text=True,
                          capture_output=True)

    assert done.returncode == 2
    assert answer in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.wheels")), "something was kept"


@_new
def test_libraries_of_cuda_are_installed_only_for_a_torch_that_needs_them(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.run("true")
    for name in ("aimet-onnx", "aimet-onnx-cpu", "aimet-onnx-cuda"):
        (checkout.folder / "requirements" / f"{name}.lock").write_text("# nothing\n")
    torch = next(checkout.venv.glob("lib/*/site-packages")) / "torch.dist-info"
    torch.mkdir()
    said = {}

    for version in ("2.13.0", "2.13.0+cpu"):
        (torch / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
        said[version] = checkout.run("python", str(checkout.folder / "requirements" / "install.py"), "add",
                                     str(checkout.venv), "aimet-onnx").splitlines()

    large, *cuda = said["2.13.0"]
    assert large.startswith("run: installing AIMET for ONNX and PyTorch: 1.2 GB, where pip finds a PyTorch for CPUs")
    assert len(cuda) == 1
    assert "built for CUDA, whose libraries are 2 GB" in cuda[0]
    assert said["2.13.0+cpu"] == [large]
    assert (checkout.venv / "extras").read_text() == "aimet-onnx\n"


@_new
def test_a_file_is_refused_where_aimet_comes_from_the_index() -> None:
    done = subprocess.run([str(ROOT / "run"), "aimet-install", "AimetCommon.whl"], capture_output=True, text=True,
                          env=suite.environment())

    assert done.returncode == 2
    assert "for AIMET 1.19 call QUANT_ACCURACY_PYTHON=3.7 " in done.stderr
