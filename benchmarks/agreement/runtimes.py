"""Agreement of OpenVINO with TensorFlow: `./run python -m benchmarks.agreement.runtimes` writes its section.

Both compute the same graphs, of the demo and of the network that AIMET was run on (`tests/reference/aimet_network`).
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks import fidelity
from benchmarks.places import ROOT
from quant_accuracy.artifacts import build
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import OPENVINO, TENSORFLOW, TF, TF_ENHANCED, VARIANTS
from quant_accuracy.data import images, shards
from quant_accuracy.demo import ready
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import scale
from quant_accuracy.graph.network import Network
from quant_accuracy.pipeline import evaluation
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Encodings, Settings
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.execution import Execution, open_graph
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.request import Request

HEADING = "## OpenVINO against TensorFlow"
_READING = """
Means over four images, where one that is equal to the last bit counts as 100 dB: a floor above 40 is the mean of images
that did not move at all and of others that moved as everywhere. Encodings of 16 bits differ by one step of their grid.
The jitter of the quantized mAP is 0.0031 with tf, w8a8.
"""
_PAGE = ROOT / "docs" / "fidelity.md"
_CALIBRATION, _HELD_OUT = 8, 4
_FLOOR = 1 + 1e-6
_SETTINGS = {
    "tf, w8a8": Settings(TF), "tf_enhanced, w8a8": Settings(TF_ENHANCED),
    "tf, w8a8, per channel": Settings(TF, configuration=replace(Configuration(), per_channel=True)),
    "tf, w4a8": Settings(TF, 4, 8), "tf, w4a4": Settings(TF, 4, 4), "tf, w16a16": Settings(TF, 16, 16),
}


class Subject(NamedTuple):
    """A network and its images.

    Attributes:
        name: What it is called on the page.
        graph: The folded float graph.
        model: The card that names its ops.
        images: uint8 [1, height, width, 3] each: those that calibrate, and some more.
    """

    name: str
    graph: tf.GraphDef
    model: ModelCard
    images: Sequence[np.ndarray]


class Agreement(NamedTuple):
    """Agreement of the runtimes on a network with some settings.

    Attributes:
        encodings: Largest difference of an activation's range, over the range, when each calibrates.
        outputs: SQNR of OpenVINO's simulated outputs against TensorFlow's in dB, by output: means over images.
        floor: The same of TensorFlow's against its own with the network's input scaled by 1 + 1e-6.
    """

    encodings: float
    outputs: Sequence[float]
    floor: Sequence[float]


def subjects(cache: Cache, scratch: Path) -> Iterator[Subject]:
    """The demo, and the network that AIMET was run on."""
    model, data = card.load(options.DEMO_CARD), ready.data_paths(cache)
    found = shards.find_shards(data.dataset_dir, data.pattern)
    built = build.build(model, data.checkpoint, found, cache)
    count = _CALIBRATION + _HELD_OUT
    yield Subject("demo", built.graph("float"), model, images.read_images(found, count, model.height, model.width))
    stored = np.load(str(fidelity.DATA / "aimet_network" / "images.npz"), allow_pickle=False)["images"]
    yield Subject("AIMET's", fidelity.reference(scratch).folded.graph, model, [image[None] for image in stored[:count]])


def measure_float(subject: Subject) -> float:
    """Largest difference of a float output, over the output's largest value."""
    names = subject.model.graph
    found = _outputs(subject, subject.graph, names.output_ops, OPENVINO)
    wanted = _outputs(subject, subject.graph, names.output_ops, TENSORFLOW)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for one, other in zip(found, wanted)
               for a, b in zip(one, other))


def measure(subject: Subject, settings: Settings) -> Agreement:
    """Calibrate and simulate a network with either."""
    names = subject.model.graph
    placed = placement.place_quantizers(Network.of(subject.graph, names), settings)
    made = {name: calibrate.calibrate(subject.graph, placed, settings, names.image_input,
                                      subject.images[:_CALIBRATION],
                                      execution=Execution(choice.of_name(name), names.starting_ops))
            for name in (TENSORFLOW, OPENVINO)}
    quantization = made[TENSORFLOW]
    graph = simulate.simulate(subject.graph, quantization)
    ends = [graph_nodes.op_of(tensor) for tensor in simulate.network_outputs(names.output_ops, quantization)]
    wanted = _outputs(subject, graph, ends, TENSORFLOW)
    return Agreement(_difference(made[OPENVINO].encodings, quantization.encodings),
                     _sqnr(_outputs(subject, graph, ends, OPENVINO), wanted),
                     _sqnr(_outputs(subject, graph, ends, TENSORFLOW, _FLOOR), wanted))


def _outputs(subject: Subject, graph: tf.GraphDef, ends: Sequence[str], runtime: str,
             factor: float = 1.0) -> List[List[np.ndarray]]:
    """The outputs for each image that did not calibrate."""
    names = subject.model.graph
    scaled = scale.scale_input(graph, names.starting_ops)
    execution = Execution(choice.of_name(runtime), scale.scaled(names.starting_ops), ends)
    with open_graph(execution, graph_nodes.subgraph(scaled, ends), ends, subject.name) as run:
        return [run({f"{names.image_input}:0": image, f"{scale.FACTOR}:0": np.float32(factor)})
                for image in subject.images[_CALIBRATION:]]


def _difference(found: Encodings, wanted: Encodings) -> float:
    return max(max(abs(a.minimum - b.minimum), abs(a.maximum - b.maximum)) / (b.maximum - b.minimum)
               for tensor, parts in wanted.items() for a, b in zip(found[tensor], parts))


def _sqnr(found: Sequence[Sequence[np.ndarray]], wanted: Sequence[Sequence[np.ndarray]]) -> List[float]:
    """Of each output the mean over images, dB; where an image is equal to the last bit it counts as 100 dB."""
    ratios = [[min(100.0, _decibels(b, a - b)) for a, b in zip(one, other)] for one, other in zip(found, wanted)]
    return [float(value) for value in np.mean(ratios, axis=0)]


def _decibels(signal: np.ndarray, noise: np.ndarray) -> float:
    powers = [float(np.square(values.astype(np.float64)).sum()) for values in (signal, noise)]
    return float("inf") if not powers[1] else 10.0 * float(np.log10(powers[0] / powers[1]))


def measure_figures(cache: Cache, settings: Settings) -> Dict[str, Tuple[float, float]]:
    """The demo's float and quantized mAP by runtime; each calibrates for itself."""
    found = {}
    for runtime in (TENSORFLOW, OPENVINO):
        model = replace(card.load(options.DEMO_CARD), runtime=runtime, quantization=settings, gates=())
        done = evaluation.evaluate(Request(model, ready.data_paths(cache), options.DEFAULT_BATCH_SIZE), cache)
        maps = [done.variants[variant].metrics.figures["mAP"] for variant in VARIANTS]
        found[runtime] = (float(maps[0] or 0), float(maps[1] or 0))
    return found


def section(cache: Cache, scratch: Path) -> str:
    """The section of the page."""
    known = list(subjects(cache, scratch))
    floats = ", ".join(f"{subject.name} {measure_float(subject):.1e}" for subject in known)
    versions = " and ".join(choice.of_name(runtime).identity for runtime in (OPENVINO, TENSORFLOW))
    lines = [HEADING, "", "Written by `./run python -m benchmarks.agreement.runtimes`, with "
             f"{versions}. Float outputs differ by at most (of the largest value): {floats}.",
             "", "| network, settings | encodings, largest difference / range | SQNR of simulated `concat`, `concat_1` "
             "against TensorFlow's, dB | floor: TensorFlow against itself, input x (1 + 1e-6) |", "|--|--|--|--|"]
    for subject in known:
        for name, settings in _SETTINGS.items():
            found = measure(subject, settings)
            lines.append(_shown(f"| {subject.name}, {name} | {found.encodings:.1e} | {_pair(found.outputs)} "
                                f"| {_pair(found.floor)} |"))
    lines += ["", "| demo, 200 images | TensorFlow: float, quantized mAP | OpenVINO |", "|--|--|--|"]
    for name in ("tf, w8a8", "tf_enhanced, w8a8", "tf, w4a8"):
        maps = measure_figures(cache, _SETTINGS[name])
        lines.append(_shown(f"| {name} | " + " | ".join(f"{maps[runtime][0]:.4f}, {maps[runtime][1]:.4f}"
                                                        for runtime in (TENSORFLOW, OPENVINO)) + " |"))
    return "\n".join(lines) + "\n" + _READING


def _shown(line: str) -> str:
    """The line, which is printed as soon as it is there."""
    print(line, flush=True)
    return line


def _pair(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def with_section(page: str, text: str) -> str:
    """The page with the section in its place, or before the known differences where it has none yet."""
    if HEADING in page:
        before, _, rest = page.partition(HEADING)
        _, heading, after = rest.partition("\n## ")
        return before + text + (heading + after if heading else "")
    before, heading, after = page.partition("## AIMET's rules")
    return before + text + "\n" + heading + after


def main() -> None:
    """Measure, and write the section."""
    with tempfile.TemporaryDirectory() as scratch:
        text = section(Cache(ROOT / ".cache"), Path(scratch))
    files.write_text(_PAGE, with_section(_PAGE.read_text(encoding="utf-8"), text))


if __name__ == "__main__":
    main()
