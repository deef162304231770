"""The Containerfile: there is no engine to build it with, so its steps are run in a copy of what it copies."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

from tests.support.checkouts import LANE, Checkout
from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane


def _steps() -> List[Tuple[str, str]]:
    """Instruction and argument, in order."""
    lines = [line for line in (ROOT / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


@pytest.mark.skipif(LANE != "tensorflow1", reason="the image is that of the lane tensorflow1")
def test_the_steps_make_a_checkout_where_the_command_of_the_image_runs(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    # As in the image, whose Python has the name of its version.
    (programs / "python3.7").symlink_to(sys.executable)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path),
                   "PYTHONPATH": checkout.environment["PYTHONPATH"]}
    said = ""

    for instruction, argument in _steps():
        if instruction == "ENV":
            name, value = argument.split("=")
            environment[name] = value
        if instruction == "RUN":
            done = subprocess.run(["sh", "-c", argument], cwd=str(checkout.folder), env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said += done.stdout
            assert done.returncode == 0, said
    command = [*json.loads(dict(_steps())["CMD"]), "--help"]
    done = subprocess.run(command, cwd=str(checkout.folder), env=environment, capture_output=True, text=True)

    assert "lane tensorflow1, Python 3.7." in said
    assert (done.returncode, done.stderr) == (0, ""), "it installed only when it was started"
    assert done.stdout.startswith("usage: quant-accuracy report ")


def test_the_image_is_that_of_the_python_that_is_asked_for() -> None:
    steps = dict(_steps())

    assert steps["FROM"] == "python:3.7-slim"
    assert steps["ENV"] == "QUANT_ACCURACY_PYTHON=3.7"
    assert steps["COPY"].split()[1] == steps["WORKDIR"]


def test_what_a_machine_has_made_of_its_own_is_not_copied_into_the_image() -> None:
    listed = (ROOT / ".containerignore").read_text().split()
    made = ["/.venv/", "/.venv-*", "/.lane", "/.uv/", "/.cache/", "/output/"]

    assert set(made) <= set((ROOT / ".gitignore").read_text().split())
    for name in (".venv", ".venv-tensorflow1", ".lane", ".uv", ".cache", "output", ".git"):
        assert any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), name) for pattern in listed), name
