"""Running the gate suite as its user does: a process of its own, read through its JUnit file."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping

from quant_accuracy.settings import options
from tests.support.places import ROOT

PASSED, FAILED, ERROR, SKIPPED, NOT_RUN = "passed", "failed", "error", "skipped", "not run"
_SEE_ABOVE = "could not measure, see above: "
_KEPT = ("demo-data", "float", "suppression", "quantsim")


@dataclass(frozen=True)
class Finished:
    """A run of the suite.

    Attributes:
        status: Its exit status.
        said: Everything that it printed.
        outcomes: `passed`, `failed`, `error`, `skipped`, or `not run` for what another test has said already, by test
            name, ids included.
        messages: What it said of tests that did not pass.
        numbers: What travelled with each test.
    """

    status: int
    said: str
    outcomes: Mapping[str, str]
    messages: Mapping[str, str]
    numbers: Mapping[str, Mapping[str, str]]

    def red(self) -> List[str]:
        """The tests that failed or could not be run."""
        return sorted(name for name, outcome in self.outcomes.items() if outcome in (FAILED, ERROR, NOT_RUN))


def command(junit: Path, *arguments: str) -> List[str]:
    """How the suite is started."""
    return [sys.executable, "-m", "pytest", "test_quant_accuracy", "-p", "no:cacheprovider", "--junitxml", str(junit),
            *arguments]


def environment(**more: str) -> Dict[str, str]:
    """The environment of this process without what would change the suite, and with `more`.

    What decides the lane stays: calls of `./run` are to be those of the lane that the tests run in.
    """
    kept = {key: value for key, value in os.environ.items()
            if (not key.startswith(("PYTEST_", options.ENVIRONMENT)) and key != "CI") or key == "QUANT_ACCURACY_PYTHON"}
    return {**kept, **more}


def run(folder: Path, *arguments: str, **variables: str) -> Finished:
    """Run the suite; `folder` gets its JUnit file."""
    junit = folder / "junit.xml"
    if junit.exists():
        junit.unlink()
    done = subprocess.run(command(junit, *arguments), cwd=str(ROOT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=environment(**variables))
    return read(done.returncode, done.stdout, junit)


def read(status: int, said: str, junit: Path) -> Finished:
    """What a run of the suite has to tell."""
    outcomes: Dict[str, str] = {}
    messages: Dict[str, str] = {}
    numbers: Dict[str, Dict[str, str]] = {}
    cases = ElementTree.parse(str(junit)).iter("testcase") if junit.exists() else []
    for case in cases:
        name = str(case.get("name"))
        kinds = {"failure": FAILED, "error": ERROR, "skipped": SKIPPED}
        found = [(kinds[child.tag], child) for child in case if child.tag in kinds]
        outcomes[name] = found[0][0] if found else PASSED
        messages[name] = "\n".join(f"{child.get('message')}\n{child.text}" for _, child in found)
        if messages[name].startswith(_SEE_ABOVE):
            outcomes[name] = NOT_RUN
        numbers[name] = {str(item.get("name")): str(item.get("value")) for item in case.iter("property")}
    return Finished(status, said, outcomes, messages, numbers)


def cache_without_detections(folder: Path) -> Path:
    """A cache that shares everything with the project's own one but the detections."""
    folder.mkdir()
    for kind in _KEPT:
        shared = ROOT / ".cache" / kind
        shared.mkdir(parents=True, exist_ok=True)
        (folder / kind).symlink_to(shared)
    return folder
