"""Prints the page of networks: `python -m tests.support.aimet_zoo.page > docs/networks.md`."""

import json
from typing import Any, List, Mapping

from tests.support.aimet_zoo import answers
from tests.support.aimet_zoo.answers import Stopped
from tests.support.aimet_zoo.known import DIFFERENCES, INSTEAD, REFUSED, VALUES
from tests.support.aimet_zoo.zoo import KINDS
from tests.support.places import REFERENCE

_SIMULATED: Mapping[str, str] = {
    "bn_before_conv": "a batch norm whose only neighbour is the convolution behind it",
    "keras_transposed": "Keras' Conv2DTranspose, batch norms before and behind",
    "learning_phase": "Keras' batch norms and a dropout, with the `cond` of the learning phase",
    "prelu": "Keras' PReLU with shared axes",
    "slim_mobilenet_like": "slim, eleven batch norms, depthwise convolutions",
    "squeeze_excite": "squeeze and excitation with hard swish",
    "strided_slice": "two strided slices and a concat",
    "swish": "`x * sigmoid(x)`, and `tf.nn.swish`",
}
_HEAD = """# Networks: what AIMET 1.19.1 makes of them, and the built-in simulator

Written by `python -m tests.support.aimet_zoo.page`. The real AIMET has folded the batch norms of {total} small networks
and placed quantizers in them (default configuration). It stops with an error at {stopped}. Of the {answered} others,
{equal} are the same here: the same batch norms folded in the same order, the same names of new biases, the same tensors
with quantizers, each on or off as AIMET has it. The last column says where {differing} differ, and why; {values} more
have other values, since AIMET changes what the network computes. [fidelity.md](fidelity.md) has the rules, and how
closely encodings and outputs agree.

`folds` and `quantizers` (on / all) are AIMET's; where AIMET stops, those of the built-in simulator, which gives a
result for all of them.
"""
_SIMULATED_HEAD = """## Simulated

Folded, with quantizers, calibrated and run by AIMET; encodings agree to a millionth of their range, outputs are less
than a thousandth of a step apart (`tests/against_aimet/test_networks.py`).
"""
_STRUCTURE = """
## Folds and quantizers

Held by `tests/against_aimet/test_zoo.py`; `tests/support/aimet_zoo/` builds the networks.
By configurations drawn at random, quantizers of some of them are AIMET's too
(`tests/against_aimet/test_configurations.py`).
"""
_TABLE = ["| network | what is in it | folds | quantizers | differs |", "|--|--|--|--|--|"]


def page() -> str:
    """The page, Markdown."""
    aimets = answers.aimets()
    stopped = sum(isinstance(answer, Stopped) for answer in aimets.values())
    answered = len(aimets) - stopped + len(_SIMULATED)
    differing = len(DIFFERENCES) + len(REFUSED)
    parts = [_HEAD.format(total=len(aimets) + len(_SIMULATED), answered=answered, stopped=stopped, differing=differing,
                          equal=answered - differing, values=len(VALUES)),
             _SIMULATED_HEAD, *_TABLE, *[_simulated_row(name) for name in sorted(_SIMULATED)], _STRUCTURE]
    for kind, networks in KINDS.items():
        parts += [f"### {kind}\n", *_TABLE]
        parts += [_row(name, item.contains, aimets[name]) for name, item in networks.items()]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _simulated_row(name: str) -> str:
    document = json.loads((REFERENCE / "aimet_networks" / name / "aimet.json").read_text(encoding="utf-8"))["default"]
    on = sum(item["enabled"] for item in document["quantizers"].values())
    return _cells(name, _SIMULATED[name], len(document["folded"]), on, len(document["quantizers"]), "")


def _row(name: str, contains: str, aimet: Any) -> str:
    if isinstance(aimet, Stopped):
        return _cells(name, contains, *INSTEAD[name], f"AIMET stops: {_shortened(aimet.error)}")
    reasons = {**VALUES, **{other: item.why for other, item in DIFFERENCES.items()},
               **{other: item.why for other, item in REFUSED.items()}}
    return _cells(name, contains, len(aimet.folded), aimet.on, len(aimet.quantizers), reasons.get(name, ""))


def _shortened(error: str) -> str:
    kind, _, text = error.partition(":")
    first = text.strip().partition(" for Tensor")[0].partition(" for '")[0]
    return f"`{kind}{': ' if first else ''}{first}`"


def _cells(name: str, contains: str, folds: int, on: int, quantizers: int, differs: str) -> str:
    cells: List[str] = [f"`{name}`", contains, str(folds), f"{on} / {quantizers}", differs]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
