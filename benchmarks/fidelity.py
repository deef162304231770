"""Agreement of the built-in simulator with AIMET 1.19.1: `./run python -m benchmarks.fidelity` writes the page on it.

The reference is in `tests/reference/aimet_network`: a trained network of the demo's form, twelve images, and what the
real AIMET made of them (8 bits asymmetric, its default configuration): encodings from images 0..7, outputs for images
8..11.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.demo import ready
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, encodings_file, placement, simulate
from quant_accuracy.quantization.records import ACTIVATION, PARAM, TF, TF_ENHANCED, Encodings, Quantizer, Settings

DATA = ROOT / "tests" / "reference"
_REFERENCE = DATA / "aimet_network"
_START = "FeatureExtractor/MobilenetV2/MobilenetV2/input"
OUTPUTS = ("concat", "concat_1")
_CALIBRATION = 8
# Every so many anchors of the float outputs are kept for reference.
_EVERY = 16
_PAGE = ROOT / "docs" / "fidelity.md"


@dataclass(frozen=True)
class Agreement:
    """Agreement with AIMET on one scheme.

    Attributes:
        quantizers: How many quantizers are AIMET's by name, tensor, kind and state, of how many of either.
        folded: How many folded pairs are AIMET's, of how many of either.
        activations: Difference of each activation encoding's minimum or maximum, whichever is larger, over its range.
        params: The same for params.
        float_outputs: Largest difference of the float outputs.
        simulated: SQNR in dB of the simulated outputs against AIMET's, by output, per held-out image.
        floor: The same of the simulation against itself with the network's input scaled by 1 + 1e-6.
    """

    quantizers: Tuple[int, int]
    folded: Tuple[int, int]
    activations: Sequence[float]
    params: Sequence[float]
    float_outputs: float
    simulated: Mapping[str, Sequence[float]]
    floor: Mapping[str, Sequence[float]]


class Reference(NamedTuple):
    """The reference network: as its checkpoint has it, and with batch norms folded."""

    graph: tf.GraphDef
    folded: fold.FoldResult


def reference(scratch: Path) -> Reference:
    """Load the reference network, for any scheme: the demo's graph, as `export-checkpoint` wrote it, with its weights.

    Args:
        scratch: An empty folder.
    """
    prefix = scratch / "model.ckpt"
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(f"{ready.CHECKPOINT}.meta")
        saver = tf.train.Saver()
        saver.restore(session, str(_REFERENCE / "model.ckpt"))
        saver.save(session, str(prefix))
    graph = load.load_frozen(prefix, OUTPUTS)
    return Reference(graph, fold.fold_batch_norms(Network(graph, _START, OUTPUTS)))


def measure(scheme: str, network: Reference) -> Agreement:
    """Build the reference network's simulation and compare every step with AIMET's.

    Args:
        scheme: `tf` or `tf_enhanced`.
        network: What `reference` gives.
    """
    images = np.load(str(_REFERENCE / "images.npz"), allow_pickle=False)["images"]
    held_out = [image[None] for image in images[_CALIBRATION:]]
    graph, folded = network
    settings = Settings(scheme)
    quantizers = placement.place_quantizers(Network(folded.graph, _START, OUTPUTS), settings)
    quantization = calibrate.calibrate(folded.graph, quantizers, settings, "image_tensor",
                                       [image[None] for image in images[:_CALIBRATION]])
    quantsim = simulate.simulate(folded.graph, quantization)
    fetches = simulate.network_outputs(OUTPUTS, quantization)
    simulated, floats = _run(quantsim, fetches, held_out), _run(graph, [f"{name}:0" for name in OUTPUTS], held_out)
    perturbed = _run(quantsim, fetches, held_out, scale=1 + 1e-6)
    reference = np.load(str(_REFERENCE / f"{scheme}.npz"), allow_pickle=False)
    theirs = encodings_file.read(_REFERENCE / f"{scheme}.encodings")
    return Agreement(
        _quantizers(quantizers),
        _folded(folded.folded),
        _encoding_differences(quantization.encodings, quantizers, theirs.by_kind[ACTIVATION], ACTIVATION),
        _encoding_differences(quantization.encodings, quantizers, theirs.by_kind[PARAM], PARAM),
        max(float(np.abs(floats[name][:, ::_EVERY] - reference[f"float_{name}"]).max()) for name in OUTPUTS),
        {name: _sqnr(_from_codes(reference[f"codes_{name}"], theirs, name), simulated[name]) for name in OUTPUTS},
        {name: _sqnr(simulated[name], perturbed[name]) for name in OUTPUTS},
    )


def _run(graph: tf.GraphDef, fetches: Sequence[str], images: Sequence[np.ndarray],
         scale: float = 1.0) -> Dict[str, np.ndarray]:
    """The outputs for each image, with the network's input scaled."""
    inputs = f"{_START}:0"
    with sessions.open_session(graph_nodes.subgraph(graph, [graph_nodes.op_of(name) for name in fetches])) as session:
        found: List[List[np.ndarray]] = []
        for image in images:
            network_input = session.run(inputs, {"image_tensor:0": image})
            found.append(session.run(list(fetches), {"image_tensor:0": image,
                                                     inputs: network_input * np.float32(scale)}))
    return {name: np.concatenate(values) for name, values in zip(OUTPUTS, zip(*found))}


def quantizers_of_aimet() -> Set[Tuple[str, str, str, bool]]:
    """Name, tensor, kind and state of every quantizer that AIMET places in the reference network."""
    listed = json.loads((DATA / "aimet_placement.json").read_text())["quantizers"]
    return {(name, tensor, kind, enabled) for name, tensor, kind, enabled in listed}


def _quantizers(quantizers: Sequence[Quantizer]) -> Tuple[int, int]:
    theirs = quantizers_of_aimet()
    ours = {(q.name, q.tensor, q.kind, q.enabled) for q in quantizers}
    return len(ours & theirs), len(ours | theirs)


def _folded(pairs: Sequence[fold.Folded]) -> Tuple[int, int]:
    theirs = {tuple(item) for item in json.loads((DATA / "aimet_placement.json").read_text())["folded"]}
    ours = {(pair.convolution, pair.batch_norm) for pair in pairs}
    return len(ours & theirs), len(ours | theirs)


def _encoding_differences(ours: Encodings, quantizers: Sequence[Quantizer], theirs: Encodings,
                          kind: str) -> List[float]:
    found = []
    for quantizer in quantizers:
        if quantizer.enabled and quantizer.kind == kind:
            (a,), (b,) = ours[quantizer.tensor], theirs[quantizer.tensor]
            found.append(max(abs(a.minimum - b.minimum), abs(a.maximum - b.maximum)) / (b.maximum - b.minimum))
    return found


def _from_codes(codes: np.ndarray, stored: encodings_file.Stored, output: str) -> np.ndarray:
    """AIMET's quantized output, which is kept as positions on its grid."""
    (encoding,) = stored.by_kind[ACTIVATION][f"{output}:0"]
    return (encoding.scale * (codes.astype(np.float64) + encoding.offset)).astype(np.float32)


def _sqnr(reference: np.ndarray, values: np.ndarray) -> List[float]:
    """Signal to quantization noise ratio in dB, per image; infinite where both are equal."""
    signal = np.square(reference.astype(np.float64)).reshape(len(reference), -1).sum(axis=1)
    noise = np.square(reference.astype(np.float64) - values).reshape(len(reference), -1).sum(axis=1)
    with np.errstate(divide="ignore"):
        return [float(value) for value in 10 * np.log10(signal / noise)]


def as_markdown(measured: Mapping[str, Agreement]) -> str:
    """The table with all figures."""
    rows: List[Tuple[str, List[str], str]] = [
        ("quantizers that are AIMET's (name, tensor, kind, on or off)",
         [f"{a.quantizers[0]} of {a.quantizers[1]}" for a in measured.values()], "all"),
        ("folded batch norms that are AIMET's", [f"{a.folded[0]} of {a.folded[1]}" for a in measured.values()], "all"),
        ("activation encodings, largest difference / range", [f"{max(a.activations):.1e}" for a in measured.values()],
         "<= 1e-3"),
        ("activation encodings, 95th percentile", [f"{np.percentile(a.activations, 95):.1e}"
                                                   for a in measured.values()], "<= 1e-5"),
        ("param encodings, largest difference / range", [f"{max(a.params):.1e}" for a in measured.values()],
         "<= 1e-6"),
        ("float outputs, largest difference", [f"{a.float_outputs:.1e}" for a in measured.values()], "<= 1e-4"),
    ]
    for output, wanted in zip(OUTPUTS, ("mean >= 29", "mean >= 38")):
        rows.append((f"SQNR of simulated `{output}` against AIMET's, dB per image",
                     [_decibels(a.simulated[output]) for a in measured.values()], wanted))
        rows.append((f"floor: simulated `{output}` against itself, input x (1 + 1e-6)",
                     [_decibels(a.floor[output]) for a in measured.values()], ""))
    lines = [f"| | {' | '.join(measured)} | target |", "|--|" + "--|" * len(measured) + "--|"]
    lines += [f"| {name} | {' | '.join(values)} | {wanted} |" for name, values, wanted in rows]
    return "\n".join(lines)


def _decibels(values: Sequence[float]) -> str:
    return " ".join(f"{value:.1f}" for value in values)


def with_table(page: str, table: str) -> str:
    """The page with its first table replaced; all other words are written by hand."""
    lines = page.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    last = next(number for number in range(first, len(lines)) if not lines[number].startswith("|"))
    return "\n".join([*lines[:first], table, *lines[last:], ""])


def main() -> None:
    """Measure both schemes and write the page."""
    with tempfile.TemporaryDirectory() as scratch:
        network = reference(Path(scratch))
    measured = {scheme: measure(scheme, network) for scheme in (TF, TF_ENHANCED)}
    files.write_text(_PAGE, with_table(_PAGE.read_text(), as_markdown(measured)))
    print(_PAGE.read_text())


if __name__ == "__main__":
    main()
