"""How this project's commands are started here, for messages that give one to paste."""

import os
import shlex
import sys
from pathlib import Path

# The suite, wherever it is installed.
GATES = "--pyargs test_quant_accuracy"
# Set by the checkout's `run`, to what was typed.
_RUN = "QUANT_ACCURACY_RUN"


def command(name: str) -> str:
    """A command of this project: `./run report`, `quant-accuracy report` or `python tools/report.py`."""
    script = Path(sys.argv[0])
    if run():
        return f"{run()} {name}"
    if script.suffix == ".py" and script.parent.name == "tools":
        return f"python {shlex.quote(str(script.with_name(name.replace('-', '_') + '.py')))}"
    return f"quant-accuracy {name}"


def suite() -> str:
    """The gates: `./run pytest`, `pytest --pyargs test_quant_accuracy`, ..."""
    return pytest() if run() == "./run" else f"{pytest()} {GATES}"


def pytest() -> str:
    """Pytest as it was started, or would be."""
    script = Path(sys.argv[0])
    by_python = script.suffix == ".py" and (script.parent.name in ("pytest", "tools"))
    return program("pytest") if run() or not by_python else "python -m pytest"


def program(line: str) -> str:
    """A program of the environment: `./run ray stop`, or without `./run` where that is not used."""
    return f"{run()} {line}" if run() else line


def typed() -> str:
    """The command line of this process, to be pasted: `./run report --model card.yaml`, `pytest -n 2`."""
    script, *given = sys.argv
    name = Path(script).name
    if name.startswith("quant-accuracy") and given:
        start, given = command(given[0]), given[1:]
    elif name in ("pytest", "py.test") or Path(script).parent.name == "pytest":
        start = pytest()
    elif Path(script).suffix == ".py" and Path(script).parent.name == "tools":
        start = command(Path(script).stem.replace("_", "-"))
    else:
        start = program(shlex.quote(script))
    return " ".join([start, *map(shlex.quote, given)])


def run() -> str:
    """The checkout's `run` as it was typed; empty where something else started this process."""
    return shlex.quote(os.environ[_RUN]) if os.environ.get(_RUN) else ""


CREATE_TFRECORDS, EXPORT, REPORT = map(command, ("create-coco-tfrecords", "export-checkpoint", "report"))
RAY_START = program("ray start")
INSTALL_RAY = program("ray-install") if run() else "pip install 'quant_accuracy[ray]'"
INSTALL_OPENVINO = program(f"pip install openvino=={'2023.1.0' if sys.version_info < (3, 10) else '2026.4.1'}")
