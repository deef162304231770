"""AIMET 2 for ONNX, from the package index; the PyTorch that it needs is large."""

import contextlib
import subprocess
from pathlib import Path

import own_pip
from failure import InstallationError, say

_TORCH = "import importlib.metadata as found; print(found.version('torch'))"


def install(python: str, locks: Path) -> None:
    """Install it with a PyTorch for CPUs where pip finds one, else with CUDA's libraries, which the other needs."""
    say("installing AIMET for ONNX and PyTorch: 1.2 GB, where pip finds a PyTorch for CPUs, or 5 GB")
    # By itself: of two builds of a version, pip prefers the one whose index tells hashes. What cannot be had, and why,
    # is said of the next lock.
    with contextlib.suppress(InstallationError):
        own_pip.install_lock(python, locks / "aimet-onnx-cpu.lock")
    own_pip.install_lock(python, locks / "aimet-onnx.lock")
    asked = subprocess.run([python, "-c", _TORCH], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    version = asked.stdout.strip()
    # Without one there is no wheel for this machine: the engine says so when it is asked for.
    if version and not version.endswith("+cpu"):
        say("the PyTorch of the public index is built for CUDA, whose libraries are 2 GB; one for CPUs is taken "
            "instead where PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL names a place that has it")
        own_pip.install_lock(python, locks / "aimet-onnx-cuda.lock")
