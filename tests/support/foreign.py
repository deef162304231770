"""A repository of somebody else that has the plugin installed: its files, and pytest run in it."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Mapping, Sequence

from tests.support import suite
from tests.support.places import ROOT
from tests.support.suite import Finished


def make(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files of a repository, by their paths."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder


def run(folder: Path, *arguments: str, shared_cache: bool = True) -> Finished:
    """Run pytest in a repository, with the cache of this project unless that would count as an option of the suite."""
    junit = folder / "junit.xml"
    cache: Sequence[str] = (f"--cache-dir={ROOT}/.cache",) if shared_cache else ()
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", str(junit), *cache,
                           *arguments], cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=suite.environment())
    return suite.read(done.returncode, done.stdout, junit)
