"""Which lane `./run` takes on a machine, by the Pythons that are there, and what it says where there is none."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

from tests.support.checkouts import LANE, VERSION, Checkout, Machine
from tests.support.places import ROOT

_LANE_SH = ROOT / "requirements" / "lane.sh"
_UNREACHABLE = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null",
                "PIP_FIND_LINKS": "", "NO_PROXY": "127.0.0.1"}
_OLD, _NEW, _NEWEST = "tensorflow1 3.7", "tensorflow2 3.12", "tensorflow2 3.13"
_ARM = "none 3.7 TensorFlow for Python 3.7 is not made for linux aarch64"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has no Python."""
    return Machine(tmp_path)


def _chosen(machine: Machine, *arguments: str, **environment: str) -> List[str]:
    """Lane, name of the Python, reason."""
    done = machine.call(_LANE_SH, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    lane, python, reason = done.stdout.splitlines()
    return [lane, Path(python).name, reason]


@pytest.mark.parametrize(("pythons", "lane", "taken"), [
    ({"python3.7": _OLD}, "tensorflow1", "python3.7"),
    ({"python3.12": _NEW}, "tensorflow2", "python3.12"),
    ({"python3.12": _NEW, "python3.7": _OLD}, "tensorflow1", "python3.7"),
    ({"python3.12": _NEW, "python3.13": _NEWEST}, "tensorflow2", "python3.13"),
    ({"python3": _NEW}, "tensorflow2", "python3"),
    ({"python": _OLD}, "tensorflow1", "python"),
    # TensorFlow 1.15 has no wheel for such a machine.
    ({"python3.7": _ARM, "python3": _NEW}, "tensorflow2", "python3"),
    ({"python3.13": "none 3.13 it was built without ssl", "python3.10": "tensorflow2 3.10"}, "tensorflow2",
     "python3.10"),
])
def test_the_lane_is_that_of_the_pythons_that_are_there(machine: Machine, pythons: Dict[str, str], lane: str,
                                                        taken: str) -> None:
    for name, answer in pythons.items():
        machine.add_python(name, answer)

    assert _chosen(machine)[:2] == [lane, taken]


def test_pythons_of_pyenv_uv_and_conda_are_found(machine: Machine, tmp_path: Path) -> None:
    python = machine.add_python("other", _NEW)
    places: Dict[str, Dict[str, str]] = {
        ".pyenv/versions/3.12.1/bin/python": {},
        ".local/share/uv/python/cpython-3.12.9-any/bin/python3": {},
        "conda/bin/python": {"CONDA_PREFIX": str(machine.home / "conda")}}
    for name, environment in places.items():
        (machine.home / name).parent.mkdir(parents=True)
        shutil.copy(str(python), str(machine.home / name))

        lane, _, reason = _chosen(machine, **environment)

        assert lane == "tensorflow2", name
        assert reason == "no Python 3.7 found that TensorFlow 1.15 has wheels for"
        shutil.rmtree(str((machine.home / name).parent))


def test_a_python_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.add("python3.7", "echo 'pyenv: python3.7: command not found' >&2\nexit 127")
    machine.add_python("python3.11", "tensorflow2 3.11")

    assert _chosen(machine)[0] == "tensorflow2"


def test_what_was_chosen_before_stays_chosen_while_it_can_be_had(machine: Machine) -> None:
    machine.add_python("python3.12", _NEW)
    old = machine.add_python("python3.7", _OLD)

    assert _chosen(machine, "tensorflow2") == ["tensorflow2", "python3.12", "this lane was chosen before"]
    assert _chosen(machine, "tensorflow1")[:2] == ["tensorflow1", "python3.7"]
    assert _chosen(machine, "tensorflow2", "tensorflow1") == ["tensorflow1", "python3.7", "it was asked for"]
    old.unlink()
    assert _chosen(machine, "tensorflow1")[0] == "tensorflow2"


@pytest.mark.parametrize("asked", ["3.12", "python3.12", "{programs}/python3.12"])
def test_the_python_that_is_asked_for_decides(machine: Machine, asked: str) -> None:
    machine.add_python("python3.7", _OLD)
    machine.add_python("python3.12", _NEW)

    assert _chosen(machine, QUANT_ACCURACY_PYTHON=asked.format(programs=machine.programs))[0] == "tensorflow2"


@pytest.mark.parametrize(("asked", "answer"), [
    ("3.9", "is no version of a lane; set it to 3.7, 3.10, 3.11, 3.12 or 3.13"),
    ("3.12.1", "is no version of a lane"),
    ("false", "is not a Python that starts; correct or unset it"),
    ("/nowhere/python", "is not a Python that starts"),
    ("cat", "is not a Python that starts"),
    ("endless", "is not a Python that starts"),
    ("-c", "is not a Python that starts"),
    ("python3.9", "cannot be taken: Python 3.9 is of no lane; name a Python 3.7 or 3.10 to 3.13, or unset it"),
    ("python3.7", "cannot be taken: TensorFlow for Python 3.7 is not made for linux aarch64"),
])
def test_what_cannot_be_taken_is_refused_though_another_python_is_there(machine: Machine, asked: str,
                                                                        answer: str) -> None:
    machine.add_python("python3.12", _NEW)
    machine.add_python("python3.9", "none 3.9 Python 3.9 is of no lane")
    machine.add_python("python3.7", _ARM)
    machine.add("endless", "while :; do echo no Python; done")

    done = machine.call(ROOT / "run", "report", QUANT_ACCURACY_PYTHON=asked)

    assert done.returncode == 2
    assert done.stderr.startswith(f"run: QUANT_ACCURACY_PYTHON={asked} {answer}")
    assert len(done.stderr.splitlines()) == 1


def _checkout(tmp_path: Path) -> Path:
    """A copy to install into, by way of machines: only what is looked for before anything is made."""
    folder = tmp_path / "checkout"
    shutil.copytree(str(ROOT / "requirements"), str(folder / "requirements"))
    shutil.copy(str(ROOT / "run"), str(folder / "run"))
    return folder / "run"


def test_without_python_and_uv_it_says_what_to_get(machine: Machine, tmp_path: Path) -> None:
    done = machine.call(_checkout(tmp_path), "report")

    assert done.returncode == 2
    assert done.stderr.startswith("run: no Python and no uv found. Get one of them: ")
    assert len(done.stderr.splitlines()) == 1


def test_where_tensorflow_is_not_made_for_the_machine_nothing_is_downloaded(machine: Machine, tmp_path: Path) -> None:
    machine.add_python("python3", "none 3.12 TensorFlow is not made for Linux without glibc, such as Alpine")

    done = machine.call(_checkout(tmp_path), "report")

    assert done.returncode == 2
    assert done.stderr == "run: TensorFlow is not made for Linux without glibc, such as Alpine; use another machine\n"


def test_uv_that_is_there_gets_the_newest_python_of_a_lane(machine: Machine, tmp_path: Path) -> None:
    run = _checkout(tmp_path)
    python = machine.add_python("other", _NEWEST)
    machine.add("uv", f"""case "$1 $2" in
"python install")
    mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython-3.13.5-any/bin"
    cat "{python}" >"$UV_PYTHON_INSTALL_DIR/cpython-3.13.5-any/bin/python3"
    "{shutil.which("chmod")}" +x "$UV_PYTHON_INSTALL_DIR/cpython-3.13.5-any/bin/python3" ;;
--version*) ;;
*) exit 1 ;;
esac""")

    lane, _, reason = _chosen_by(machine, run)

    assert (lane, reason) == ("tensorflow2", "no Python 3.7, nor one of 3.10 to 3.13 was found")
    assert (run.parent / ".uv" / "python" / "cpython-3.13.5-any").is_dir(), "outside the checkout"
    assert _chosen_by(machine, run)[2] == "no Python 3.7 found that TensorFlow 1.15 has wheels for"


def _chosen_by(machine: Machine, run: Path) -> List[str]:
    return machine.call(run.parent / "requirements" / "lane.sh").stdout.splitlines()


@pytest.mark.parametrize("uv", ["broken", "real"])
def test_uv_that_gets_none_ends_with_one_line_that_says_why(machine: Machine, tmp_path: Path, uv: str) -> None:
    run = _checkout(tmp_path)
    if uv == "real":
        found = shutil.which("uv")
        if found is None:
            pytest.skip("no uv on this machine")
        (machine.programs / "uv").symlink_to(found)
    else:
        machine.add("uv", 'case "$1" in --version) exit ;; esac\necho "error: the disk is full" >&2\nexit 1')

    done = machine.call(run, "report", UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "uv-cache"))

    assert done.returncode == 2
    first, last = done.stderr.splitlines()
    assert first == "run: no Python 3.13 found; uv gets one into .uv"
    assert last.startswith("run: uv could not get a Python 3.13 (")
    assert ("the disk is full" if uv == "broken" else "connectivity is disabled") in last
    assert "name one in QUANT_ACCURACY_PYTHON" in last


@pytest.mark.skipif(sys.version_info < (3, 8), reason="uv is not made for this Python")
def test_uv_that_cannot_be_downloaded_ends_with_one_line_that_says_why(machine: Machine, tmp_path: Path) -> None:
    # As Debian's Python is: without what pip comes from.
    (tmp_path / "ensurepip.py").write_text("raise ImportError('it is in a package of its own')")
    machine.add_python("python3", "none 3.9 Python 3.9 is of no lane")

    done = machine.call(_checkout(tmp_path), "report", PYTHONPATH=str(tmp_path), **_UNREACHABLE)

    assert done.returncode == 2
    assert done.stderr.startswith("run: no Python of a lane found; installing uv, which gets one, into .uv (once)\n")
    assert "run: the package index cannot be reached (http://127.0.0.1:9); check the network" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("run: uv is not there; get a Python 3.10 to 3.13")
    assert "Traceback" not in done.stderr


def test_without_a_network_the_installation_ends_with_one_line_that_says_so(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    (checkout.folder / "requirements" / f"{LANE}.lock").write_text(f"tqdm==4.0.0 --hash=sha256:{'0' * 64}\n")

    said = checkout.run("report", status=2, **_UNREACHABLE).splitlines()

    assert said[0].startswith(f"run: lane {LANE}, Python {VERSION}.")
    assert said[1].startswith("run: tqdm==4.0.0 could not be had from http://127.0.0.1:9: it cannot be reached, or ")
    assert said[2:] == ["run: nothing was started; the next call tries again"]
    assert not (checkout.venv / "stamp").exists()


def test_the_line_that_tells_the_lane_comes_once_and_again_when_asked_for(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    # Of a checkout before there were lanes: left alone, and not used.
    before = checkout.folder / ".venv" / "bin" / "true"
    before.parent.mkdir(parents=True)
    before.write_text("#!/bin/sh\nexit 1\n")
    before.chmod(0o755)

    # A busy machine is told every 20 seconds that it is still at it.
    told, = (line for line in checkout.run("true").splitlines() if line != "run: still installing")

    assert told.startswith(f"run: lane {LANE}, Python {VERSION}.")
    assert told.endswith(f"): QUANT_ACCURACY_PYTHON names it; installing into .venv-{LANE} (once, a minute or two)")
    assert checkout.run("true") == ""
    assert checkout.run("lane").strip() in told
    assert list(before.parent.iterdir()) == [before]

    # By its name, which is kept until another one is chosen.
    programs = Machine(tmp_path).add_python(f"python{VERSION}", f"{LANE} {VERSION}").parent
    path = {"PATH": f"{programs}:/usr/bin:/bin", "QUANT_ACCURACY_PYTHON": "", "HOME": str(tmp_path)}
    assert "it was asked for" in checkout.run("lane", LANE, status=0, **path)
    assert (checkout.folder / ".lane").read_text() == f"{LANE}\n"
    assert checkout.run("true", status=0, **path) == ""
    assert "QUANT_ACCURACY_PYTHON names it" in checkout.run("lane")
    assert "QUANT_ACCURACY_PYTHON" not in checkout.run("lane", status=0, **path), "it is not set"
    assert "QUANT_ACCURACY_PYTHON decides; unset it first" in checkout.run("lane", LANE, status=2)
    said = checkout.run("lane", "tensorflow3", status=2)
    assert "tensorflow3 is not a lane; tensorflow1 (Python 3.7) or tensorflow2" in said
    assert checkout.made == 1


def test_an_environment_is_that_of_the_python_that_is_named_and_tells_its_own(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    programs = Machine(tmp_path).add_python(f"python{VERSION}", f"{LANE} {VERSION}").parent
    path = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    checkout.run("true", status=0, QUANT_ACCURACY_PYTHON=VERSION, **path)
    # As though it had been made with another Python of the version.
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\n[ "$1" != -I ] || {{ printf {VERSION}.99; exit; }}\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to(other)

    kept = checkout.run("lane", LANE, status=0, QUANT_ACCURACY_PYTHON="", **path)
    again = checkout.run("lane", status=0, QUANT_ACCURACY_PYTHON=VERSION, **path)

    assert kept.startswith(f"{LANE}, Python {VERSION}.99 ({other}): ")
    assert again.startswith(f"{LANE}, Python {VERSION}.99 ({other}): ")
    assert checkout.made == 1
    named = checkout.run("lane")
    assert checkout.made == 2, "another Python than the one that is named"
    assert str(other) not in named


@pytest.mark.parametrize("name", ["ä clone", 'a $HOME "clone"', "a 'clone' `no`"])
def test_a_checkout_works_in_a_folder_of_any_name_and_in_any_locale(tmp_path: Path, name: str) -> None:
    checkout = Checkout(tmp_path, name=name)
    checkout.run("true", LC_ALL="C")

    assert checkout.run("quant-accuracy", "--version", LC_ALL="C").startswith("quant-accuracy ")


def test_a_checkout_in_a_folder_that_path_cannot_hold_says_so(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, name="a:b")

    said = checkout.run("report", status=2)

    assert said == f"run: {checkout.folder}: no folder below one with a colon in its name can be in PATH; move the " \
                   "checkout\n"


def test_an_installation_that_is_interrupted_ends_with_one_line(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    (tmp_path / "stand-in" / "venv.py").write_text("import time\ntime.sleep(60)\n")
    call = subprocess.Popen([sys.executable, str(checkout.folder / "requirements" / "install.py"), "lane",
                             str(checkout.venv), "requirements", "project", "", "asked for"], stderr=subprocess.PIPE,
                            text=True, env=checkout.environment,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert call.stderr is not None
    assert "installing into" in call.stderr.readline()

    call.send_signal(signal.SIGINT)

    assert call.communicate()[1] == "run: interrupted\n"
    assert call.returncode == 130


def _pythons() -> List[Path]:
    """Those of this machine, whatever they are, one of each file."""
    found = {Path(path).resolve() for name in ("python", "python2", "python3") for path in [shutil.which(name)] if path}
    return sorted({*found, *(Path.home() / ".pyenv" / "versions").glob("*/bin/python")})


def test_every_python_of_this_machine_says_what_it_is() -> None:
    for python in _pythons():
        version = subprocess.run([str(python), "-c", "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        if not version:
            continue
        said = subprocess.run([str(python), str(_LANE_SH.with_name("probe.py"))], stdout=subprocess.PIPE,
                              text=True).stdout.split(" ", 2)

        assert said[1].strip() == version, python
        if said[0] != "none":
            assert said[0] == ("tensorflow1" if version == "3.7" else "tensorflow2")
            assert version in ("3.7", "3.10", "3.11", "3.12", "3.13")


def test_ci_tests_both_lanes_or_fails(machine: Machine, tmp_path: Path) -> None:
    folder = _checkout(tmp_path).parent
    (folder / ".ci").mkdir()
    shutil.copy(str(ROOT / ".ci" / "run"), str(folder / ".ci" / "run"))
    (machine.programs / "date").symlink_to(Path(shutil.which("date") or "date").resolve())
    (folder / "run").write_text('#!/bin/sh\necho "$QUANT_ACCURACY_PYTHON $*"\n')

    without_any = machine.call(folder / ".ci" / "run")
    machine.add_python("python3.13", _NEWEST)
    without_old = machine.call(folder / ".ci" / "run")
    machine.add_python("python3.7", _OLD)
    done = machine.call(folder / ".ci" / "run")

    assert (without_any.returncode, without_old.returncode) == (1, 1)
    assert "no Python 3.10 to 3.13 found to test the lane tensorflow2 with" in without_any.stderr
    assert "no Python 3.7 found to test the lane tensorflow1 with" in without_old.stderr
    assert done.returncode == 0, done.stderr
    called = [line for line in done.stdout.splitlines() if not line.startswith(".ci/run")]
    newer, older = [line for line in called if " test" in line]
    options, folders = newer.split(" one_lane ")
    assert options == "3.13 pytest -n 2 --dist worksteal -m not soak and not"
    assert [path for path in folders.split() if not (ROOT / path).exists()] == []
    assert older == "3.7 test"
    assert "tests marked one_lane, and all of tests/ but" in done.stdout
