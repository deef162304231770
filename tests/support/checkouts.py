"""A fresh checkout, and machines to call its `run` on: folders of programs to be found on PATH, some with a Python."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Dict, Optional

from tests.support import suite
from tests.support.places import ROOT

LANE = "tensorflow1" if sys.version_info < (3, 8) else "tensorflow2"
VERSION = "{}.{}".format(*sys.version_info[:2])
# What the scripts call of a system besides Python.
_SYSTEM = ("sh", "cat", "cksum", "dirname", "readlink", "mkdir")

# In place of Python's own: the environments that it makes find the locked requirements, instead of installing them.
_VENV = """
import os
import subprocess
import sys

if __name__ == "__main__":
    folder = sys.argv[-1]
    with open({log!r}, "a") as log:
        log.write("made\\n")
    own = {{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}}
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True, env=own)
    found = [os.path.join(where, "site-packages") for where, folders, _ in os.walk(os.path.join(folder, "lib"))
             if "site-packages" in folders]
    with open(os.path.join(found[0], "requirements.pth"), "w") as path:
        path.write({packages!r})
"""


class Checkout:
    """A checkout that has nothing to download, with a Python that is asked for by name.

    Attributes:
        folder: Where `run` lies, and where environments are made.
        environment: Variables that its calls get.
    """

    def __init__(self, parent: Path, packages: Optional[Path] = None, tensorflow: bool = False,
                 name: str = "a clone") -> None:
        """Make a checkout below a folder.

        Args:
            parent: The folder.
            packages: What its environments find; what these tests find, if not given.
            tensorflow: Whether the TensorFlow there is the real one, which takes seconds to import.
            name: Its name there.
        """
        self.folder = parent / name
        self.folder.mkdir()
        for name in ("run", "pyproject.toml", "README.md"):
            shutil.copy(str(ROOT / name), str(self.folder / name))
        shutil.copytree(str(ROOT / "requirements"), str(self.folder / "requirements"),
                        ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("quant_accuracy", "test_quant_accuracy"):
            (self.folder / name).symlink_to(ROOT / name)
        for name in ("tensorflow1", "tensorflow2"):
            (self.folder / "requirements" / f"{name}.lock").write_text("# nothing\n")
        self._log = parent / "made.log"
        stand_in = parent / "stand-in"
        stand_in.mkdir()
        light = parent / "light"
        light.mkdir()
        (light / "tensorflow.py").touch()
        found = [*([] if tensorflow or packages else [light]), packages or sysconfig.get_path("purelib")]
        (stand_in / "venv.py").write_text(_VENV.format(log=str(self._log), packages="\n".join(map(str, found))))
        self.environment: Dict[str, str] = suite.environment(QUANT_ACCURACY_PYTHON=sys.executable,
                                                             PYTHONPATH=str(stand_in))

    @property
    def venv(self) -> Path:
        """The environment of the lane that the tests run in."""
        return self.folder / f".venv-{LANE}"

    @property
    def made(self) -> int:
        """How often an environment was made."""
        return len(self._log.read_text().splitlines()) if self._log.exists() else 0

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start `./run COMMAND`; both its outputs come as one."""
        return subprocess.Popen(["sh", str(self.folder / "run"), *command], cwd=str(self.folder.parent),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**self.environment, **environment})

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        """What `./run COMMAND` says; it has to end with a status."""
        call = self.start(*command, **environment)
        said: str = call.communicate()[0]
        assert call.returncode == status, said
        return said


class Machine:
    """A folder to be all of PATH: a shell, what else the scripts call, and what a test puts there."""

    def __init__(self, parent: Path) -> None:
        self.programs = parent / "programs"
        self.programs.mkdir()
        self.home = parent / "home"
        self.home.mkdir()
        for name in _SYSTEM:
            found = shutil.which(name)
            assert found, name
            (self.programs / name).symlink_to(Path(found).resolve())

    def add(self, name: str, script: str) -> Path:
        """A program, as a script of the shell."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def add_python(self, name: str, answer: str) -> Path:
        """What says of itself what a Python of some version would, and is otherwise the one of these tests."""
        return self.add(name, f'case $1 in */probe.py) echo "{answer}"; exit ;; esac\nexec "{sys.executable}" "$@"')

    def call(self, script: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a script of the shell there."""
        return subprocess.run([str(self.programs / "sh"), str(script), *arguments], capture_output=True, text=True,
                              cwd=str(self.home),
                              env={"PATH": str(self.programs), "HOME": str(self.home), **environment})
