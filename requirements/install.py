"""Installs into the environment of a lane what `./run` asks for; one call at a time, and whole or not at all.

    install.py uv FOLDER                              uv, into an environment of its own
    install.py lane VENV REQUIREMENTS PROJECT ASKED REASON    with the Python of the lane, unless it is there
    install.py add VENV EXTRA [FILE...]               an extra, such as Ray, with the Python of the environment

It has the standard library only, and runs on whatever Python there is.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent))
import aimet_wheels
import onnx_extra
import own_pip
from failure import InstallationError, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other call from installing into a folder.

    The lock goes with the last process that holds the file open, however it ends: those started here inherit it.
    """
    with open(str(folder) + ".lock", "a") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"waiting for another call that installs into {folder.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def checked(command: Sequence[str], **environment: str) -> None:
    """Run a command; what it writes is shown where it fails.

    Raises:
        InstallationError: It failed.
    """
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          close_fds=False, env={**os.environ, **environment})
    if done.returncode:
        sys.stderr.write(done.stdout)
        program = " ".join(Path(part).name for part in command[:3])
        raise InstallationError(f"{program} ended with {done.returncode}: see above")


def new_environment(folder: Path) -> str:
    """Make an empty environment with pip in place of what is in a folder; return its Python."""
    try:
        import ensurepip  # noqa: F401  Debian has it in a package of its own
    except ImportError:
        checked([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)])
        own_pip.install(folder / "bin" / "python", HERE / "pip.lock")
    else:
        checked([sys.executable, "-m", "venv", "--clear", str(folder)])
    return str(folder / "bin" / "python")


def uv(folder: Path) -> None:
    """Install uv into an environment of its own below a folder."""
    with alone(folder):
        if not (folder / "whole").exists():
            folder.mkdir(exist_ok=True)
            own_pip.install_lock(new_environment(folder / "venv"), HERE / "uv.lock")
            (folder / "whole").touch()


def lane(arguments: argparse.Namespace) -> None:
    """Make a lane's environment, or only what is missing of it, and remember that it is the one to be used."""
    venv = Path(arguments.venv)
    with alone(venv):
        if not _has_requirements(venv, arguments.requirements, arguments.asked):
            _install_requirements(venv, arguments)
        _write(venv / "asked", arguments.asked)
        _write(venv / "reason", _reason(venv, str(venv / "bin" / "python"), arguments))
        stamp = venv / "checkout" / "stamp"
        if not (venv / "bin" / "quant-accuracy").exists() or _read(stamp) != arguments.project:
            install_project(venv, arguments.project)
        if not arguments.asked:
            _write(ROOT / ".lane", _name(venv))


def _read(file: Path) -> str:
    """The line of a file, or nothing where there is none."""
    return file.read_text().rstrip("\n") if file.exists() else ""


def _write(file: Path, line: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(f"{line}\n")
    new.replace(file)


def _name(venv: Path) -> str:
    return venv.name.replace(".venv-", "")


def _reason(venv: Path, python: str, arguments: argparse.Namespace) -> str:
    """Which lane it is, of which Python, and why; an environment may have been made with another one than this."""
    asked = "import platform as it, sys; sys.stdout.write(it.python_version())"
    version = subprocess.run([python, "-I", "-S", "-c", asked], check=True, stdout=subprocess.PIPE, text=True).stdout
    return f"{_name(venv)}, Python {version} ({os.path.realpath(python)}): {arguments.reason}"


def _has_requirements(venv: Path, stamp: str, asked: str) -> bool:
    # The Python that it links to may have been removed since; then another one on PATH would be taken.
    python = venv / "bin" / "python"
    if not os.access(str(python), os.X_OK) or _read(venv / "stamp") != stamp:
        return False
    if not asked:
        return True
    # A version is asked for, or a Python, of which a machine may have several of one version.
    if re.fullmatch(r"[0-9.]+", asked):
        return (venv / "lib" / "python{}.{}".format(*sys.version_info[:2])).exists()
    return os.path.realpath(str(python)) == os.path.realpath(sys.executable)


def _install_requirements(venv: Path, arguments: argparse.Namespace) -> None:
    say(f"lane {_reason(venv, sys.executable, arguments)}; installing into {venv.name} (once, a minute or two)")
    extras = venv / "extras"
    again = _read(extras).split()
    with contextlib.suppress(OSError):
        (venv / "stamp").unlink()
    python = new_environment(venv)
    _write(extras, " ".join(again))
    own_pip.install_lock(python, HERE / f"{_name(venv)}.lock")
    checked([python, "-W", "ignore", "-c", "import pytest, tensorflow"], TF_CPP_MIN_LOG_LEVEL="2")
    for name in again:
        try:
            _add(venv, name)
        except InstallationError as error:
            say(f"{name} was there before, and could not be installed again: {error}")
    # Written last: an installation that was cut off is made again.
    _write(venv / "stamp", arguments.requirements)


def install_project(venv: Path, stamp: str) -> None:
    """Install what a wheel of the checkout would, as links: a folder with that and nothing else is on the path."""
    new = venv / "checkout.new"
    shutil.rmtree(str(new), ignore_errors=True)
    new.mkdir()
    packages = ("quant_accuracy", "test_quant_accuracy")
    for package in packages:
        (new / package).symlink_to(ROOT / package)
    python = str(venv / "bin" / "python")
    prepare = "import sys, setuptools.build_meta as made; made.prepare_metadata_for_build_wheel(sys.argv[1])"
    with tempfile.TemporaryFile() as log:
        done = subprocess.run([python, "-c", prepare, str(new)], cwd=str(ROOT), stdout=log, stderr=log)
        log.seek(0)
        if done.returncode:
            raise InstallationError(f"the project's metadata could not be made: {log.read().decode().splitlines()[-1]}")
    for folder in new.glob("*.egg-info"):
        shutil.rmtree(str(folder))
    information, = new.glob("*.dist-info")
    # From this pytest knows which packages are the plugin's.
    (information / "RECORD").write_text("".join(f"{package}/__init__.py,,\n" for package in packages))
    where = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.strip()
    # Relative to where it lies: a path with letters that are not ASCII could not be read in each locale.
    Path(where, "quant_accuracy.pth").write_text(os.path.relpath(str(venv / "checkout"), where) + "\n")
    script = venv / "bin" / "quant-accuracy"
    # A path that Python stands at may hold spaces; a line that begins with #! may not. What quotes it for the shell is
    # part of a string for Python.
    script.write_text(f"""#!/bin/sh
'''exec' {shlex.quote(python)} "$0" "$@"
' '''
import sys

from quant_accuracy.commands.console import main

# Processes that it starts import it again.
if __name__ == "__main__":
    sys.exit(main())
""")
    script.chmod(0o755)
    _write(new / "stamp", stamp)
    shutil.rmtree(str(venv / "checkout"), ignore_errors=True)
    new.rename(venv / "checkout")


def add(venv: Path, extra: str, files: Sequence[str]) -> None:
    """Add an extra to an environment, and again whenever the environment is made anew."""
    with alone(venv):
        if files:
            aimet_wheels.add(str(venv / "bin" / "python"), files, _kept(venv))
        else:
            _add(venv, extra)
        _write(venv / "extras", " ".join(sorted({*_read(venv / "extras").split(), extra})))


def _kept(venv: Path) -> Path:
    return venv.with_name(venv.name + ".wheels")


def _add(venv: Path, extra: str) -> None:
    python = str(venv / "bin" / "python")
    if extra == "aimet":
        aimet_wheels.install(python, _kept(venv))
        return
    if extra == "aimet-onnx":
        onnx_extra.install(python, HERE)
        return
    locks: List[Path] = [path for path in (HERE / f"{extra}-{_name(venv)}.lock", HERE / f"{extra}.lock")
                         if path.exists()]
    if not locks:
        raise InstallationError(f"{extra} is not there in the lane {_name(venv)}")
    own_pip.install_lock(python, locks[0])


def main() -> int:
    """Do what the command line asks for; 2, and one line, where it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("uv").add_argument("folder")
    of_lane = commands.add_parser("lane")
    for name in ("venv", "requirements", "project", "asked", "reason"):
        of_lane.add_argument(name)
    of_extra = commands.add_parser("add")
    of_extra.add_argument("venv")
    of_extra.add_argument("extra")
    of_extra.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    try:
        if arguments.command == "uv":
            uv(Path(arguments.folder))
        elif arguments.command == "lane":
            lane(arguments)
        else:
            add(Path(arguments.venv), arguments.extra, arguments.files)
    except (InstallationError, OSError, subprocess.CalledProcessError) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
