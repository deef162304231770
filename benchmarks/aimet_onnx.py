"""Whether AIMET 2 for ONNX quantizes as AIMET 1.19.1: `./run python -m benchmarks.aimet_onnx` writes the table on it.

It runs in the lane that has aimet-onnx. The network is the reference of `benchmarks.fidelity`; what AIMET 1.19.1 makes
of it the built-in backend makes, too, as the first table of the page shows.
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

import numpy as np

from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.demo import ready
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet_onnx, calibrate, placement
from quant_accuracy.quantization.configuration import Configuration, ParamRule
from quant_accuracy.quantization.records import (
    ACTIVATION,
    PARAM,
    TF_ENHANCED,
    Encoding,
    Override,
    Quantization,
    Quantizer,
    Settings,
)

PAGE = ROOT / "docs" / "fidelity.md"
HEADING = "## AIMET 2 for ONNX"

_REFERENCE = ROOT / "tests" / "reference" / "aimet_network"
_STARTS, _OUTPUTS = ("FeatureExtractor/MobilenetV2/MobilenetV2/input",), ("concat", "concat_1")
_CALIBRATION = 8
_SAME = {PARAM: 1e-6, ACTIVATION: 1e-5}
_SYMMETRIC = ParamRule(quantized=True, symmetric=True)
_FLOAT_WEIGHTS = (Override("*weights/read:0", enabled=False),)

# What is compared: all 8 bits and asymmetric, but for what the name says.
SETTINGS: Mapping[str, Settings] = {
    "tf": Settings(),
    "tf, weights in float": Settings(overrides=_FLOAT_WEIGHTS),
    "tf_enhanced": Settings(TF_ENHANCED),
    "per channel": Settings(configuration=Configuration(per_channel=True)),
    "symmetric weights": Settings(configuration=Configuration(all_params=_SYMMETRIC)),
    "16 bits": Settings(param_bitwidth=16, output_bitwidth=16),
}


@dataclass(frozen=True)
class Counts:
    """How many quantizers that are on are the same in both.

    Attributes:
        same: By kind, those whose encodings are the same.
        other: By kind, the difference over the range of those whose encodings are others, tied ones apart.
        tied: How many have the encoding of the Concat behind them.
        only_there: By type of op, those that only AIMET 2 has on.
        only_here: By type of op, those that only AIMET 1.19.1 has on.
    """

    same: Mapping[str, int]
    other: Mapping[str, Sequence[float]]
    tied: int
    only_there: Mapping[str, int]
    only_here: Mapping[str, int]


def reference(scratch: Path) -> Network:
    """The reference network, batch norms folded; it has the graph of the demo.

    Args:
        scratch: An empty folder.
    """
    shutil.copyfile(f"{ready.CHECKPOINT}.meta", str(scratch / "model.ckpt.meta"))
    for path in _REFERENCE.glob("model.ckpt.*"):
        shutil.copyfile(str(path), str(scratch / path.name))
    graph = load.load_frozen(scratch / "model.ckpt", _OUTPUTS)
    network = Network(graph, _STARTS, _OUTPUTS)
    return Network(fold.fold_batch_norms(network).graph, _STARTS, _OUTPUTS)


def measure(network: Network, settings: Settings, scratch: Path) -> Counts:
    """Quantize a network by both backends and compare."""
    images = np.load(str(_REFERENCE / "images.npz"), allow_pickle=False)["images"][:_CALIBRATION]
    batches = [image[None] for image in images]
    theirs = aimet_onnx.build(network, "image_tensor", settings, batches, scratch)
    ours = calibrate.calibrate(network.graph, placement.place_quantizers(network, settings), settings, "image_tensor",
                               batches)
    return compare(network, theirs, ours)


def compare(network: Network, theirs: Quantization, ours: Quantization) -> Counts:
    """Count what is the same."""
    here, there = ({q.tensor: q for q in side.enabled()} for side in (ours, theirs))
    shared = Counter(encodings for tensor, encodings in theirs.encodings.items() if there[tensor].kind == ACTIVATION)
    same: Dict[str, int] = {PARAM: 0, ACTIVATION: 0}
    other: Dict[str, List[float]] = {PARAM: [], ACTIVATION: []}
    tied = 0
    for tensor, quantizer in there.items():
        if tensor in here:
            change = max(map(_difference, theirs.encodings[tensor], ours.encodings[tensor]))
            if change <= _SAME[quantizer.kind]:
                same[quantizer.kind] += 1
            elif quantizer.kind == ACTIVATION and shared[theirs.encodings[tensor]] > 1:
                tied += 1
            else:
                other[quantizer.kind].append(change)
    return Counts(same, other, tied, _ops(network, [q for tensor, q in there.items() if tensor not in here]),
                  _ops(network, [q for tensor, q in here.items() if tensor not in there]))


def _difference(theirs: Encoding, ours: Encoding) -> float:
    return max(abs(theirs.minimum - ours.minimum), abs(theirs.maximum - ours.maximum)) / (ours.maximum - ours.minimum)


def _ops(network: Network, quantizers: Sequence[Quantizer]) -> Mapping[str, int]:
    """How many stand behind ops of each type; a BiasAdd counts as what it adds to."""
    nodes = network.nodes()
    found: Dict[str, int] = {}
    for quantizer in quantizers:
        node = nodes[graph_nodes.op_of(quantizer.tensor)]
        node = nodes[graph_nodes.op_of(node.input[0])] if node.op == "BiasAdd" else node
        found[node.op] = found.get(node.op, 0) + 1
    return found


def as_markdown(measured: Mapping[str, Counts]) -> str:
    """The table."""
    counts = list(measured.values())
    rows = [
        ("weights: same encoding, to 1e-6 of the range", [str(c.same[PARAM]) for c in counts]),
        ("weights: another range (largest difference / range)", [_others(c.other[PARAM]) for c in counts]),
        ("activations: same encoding, to 1e-5 of the range", [str(c.same[ACTIVATION]) for c in counts]),
        ("activations: that of the Concat behind", [str(c.tied) for c in counts]),
        ("activations: another range (largest difference / range)", [_others(c.other[ACTIVATION]) for c in counts]),
        ("on in AIMET 2 only", [_listed(c.only_there) for c in counts]),
        ("on in AIMET 1.19.1 only", [_listed(c.only_here) for c in counts]),
    ]
    lines = [f"| | {' | '.join(measured)} |", "|--|" + "--|" * len(measured)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(values)} |" for name, values in rows)])


def _others(changes: Sequence[float]) -> str:
    return f"{len(changes)} ({max(changes):.0e})" if changes else "0"


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(kinds.items())) or "0"


def with_table(page: str, table: str) -> str:
    """The page with the first table below the heading replaced; all other words are written by hand."""
    lines = page.splitlines()
    heading = lines.index(HEADING)
    first = next(number for number in range(heading, len(lines)) if lines[number].startswith("|"))
    last = next(number for number in range(first, len(lines)) if not lines[number].startswith("|"))
    return "\n".join([*lines[:first], table, *lines[last:], ""])


def main() -> None:
    """Measure all settings and write the page."""
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        network = reference(Path(scratch))
    for name, settings in SETTINGS.items():
        with tempfile.TemporaryDirectory() as scratch:
            measured[name] = measure(network, settings, Path(scratch))
    files.write_text(PAGE, with_table(PAGE.read_text(), as_markdown(measured)))
    print(as_markdown(measured))


if __name__ == "__main__":
    main()
