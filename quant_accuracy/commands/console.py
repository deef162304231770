"""The console script `quant-accuracy`: one sub-command a module, imported when it is asked for."""

import importlib
import sys
from typing import List, Optional

import quant_accuracy
from quant_accuracy.base import command_line
from quant_accuracy.base.near import near

COMMANDS = {
    "report": "evaluate a model, float and quantized, and report",
    "repair": "search for a change that brings a red model card back, and prove it",
    "compare": "put two reports side by side",
    "jitter": "measure the numerical jitter of a model's figures",
    "device-bundle": "write what a board needs to be measured: inputs, their list, encodings",
    "check-card": "check a model card without running the model",
    "init": "write a model card, pytest.ini and a CI example to start from",
    "export-checkpoint": "make the checkpoint that gets quantized from a training checkpoint",
    "create-coco-tfrecords": "turn COCO's images and annotations into sharded TFRecords",
}
_USAGE = "usage: quant-accuracy COMMAND [OPTIONS]"


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the sub-command that is named first; return its exit status."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in ("-h", "--help", "help"):
        print(_help())
        return command_line.MEASURED
    if name == "--version":
        print(f"quant-accuracy {quant_accuracy.__version__}")
        return command_line.MEASURED
    if name not in COMMANDS:
        print(_refusal(name), file=sys.stderr)
        return command_line.NOT_MEASURED
    try:
        module = importlib.import_module(f"quant_accuracy.commands.{name.replace('-', '_')}")
    except Exception as error:
        # Left to Python it would have the exit status of a gate that failed.
        return command_line.crashed(error)
    status: int = module.main(rest)
    return status


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    return (f"{_USAGE}\n\ncommands:\n{listed}\n\n"
            "quant-accuracy COMMAND --help says more; --version prints the version.\n"
            "The gates run under pytest: pytest --pyargs test_quant_accuracy")


def _refusal(name: str) -> str:
    """What to say of a command that there is not: the near one, if there is one, and how it is used."""
    meant = "".join(f"; did you mean {command}?" for command in near(name.replace("_", "-"), COMMANDS))
    unknown = f"error: {name!r} is not a command{meant}\n" if name else ""
    return f"{unknown}{_USAGE}\ncommands: {', '.join(COMMANDS)}"
