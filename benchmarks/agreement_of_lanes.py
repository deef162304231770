"""Agreement of the lanes: what TensorFlow 1.15 and TensorFlow 2 make of the demo.

    ./run python -m benchmarks.agreement_of_lanes record FILE        in each lane
    ./run python -m benchmarks.agreement_of_lanes compare ONE OTHER  writes the table in docs/fidelity.md
"""

import json
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.data import images
from quant_accuracy.demo import ready
from quant_accuracy.graph import scale, sessions
from quant_accuracy.judging import jitter
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.quantization import simulate
from quant_accuracy.settings import card, options
from quant_accuracy.settings.request import Request

PAGE = ROOT / "docs" / "fidelity.md"
BEGIN, END = "<!-- the table of the lanes -->", "<!-- end of the table of the lanes -->"
_OUTPUTS = ("concat", "concat_1")
_COLUMNS = ("images", "boxes", "scores", "categories")
_IMAGES = 4
# Detections below that are of no use to anybody.
_SCORE = 0.3
_SAME_BOX = 0.02

Record = Mapping[str, Any]


def record(cache: Cache) -> Dict[str, Any]:
    """What this lane makes of the demo: figures, quantizers, encodings, detections, outputs and pixels.

    The outputs are also computed with the network's input scaled by 1 + 1e-6: two runs agree no closer than that.
    """
    committed = ROOT / "baselines" / options.DEMO_CARD
    found = evaluate(Request(card.load(options.DEMO_CARD), ready.data_paths(cache), 1, baseline=committed), cache)
    baseline = found.prepared.baseline()
    assert isinstance(baseline, Baseline)
    shown = images.read_images(found.shards, _IMAGES, 300, 300)
    kept: Dict[str, Any] = {"about": json.dumps(_about(found, baseline)), "pixels": np.concatenate(shown)}
    quantization = found.artifacts.quantization
    enabled = [one.tensor for one in quantization.quantizers if one.enabled]
    kept["encodings"] = np.array([[quantization.encodings[tensor][0].minimum, quantization.encodings[tensor][0].maximum]
                                  for tensor in enabled])
    for variant in VARIANTS:
        results = found.variants[variant].merged.results
        kept.update({f"{variant}/{name}": getattr(results, name) for name in _COLUMNS})
        fetches = [f"{name}:0" for name in _OUTPUTS] if variant == FLOAT else \
            simulate.network_outputs(_OUTPUTS, quantization)
        for name, values in zip(_OUTPUTS, _run(found.artifacts.graph(variant), fetches, shown)):
            kept[f"{variant}/{name}"] = values
        scaled = scale.scale_input(found.artifacts.graph(variant), found.request.card.graph.starting_ops)
        for name, values in zip(_OUTPUTS, _run(scaled, fetches, shown, {f"{scale.FACTOR}:0": np.float32(1 + 1e-6)})):
            kept[f"{variant}/{name}/floor"] = values
    return kept


def _about(found: Evaluation, baseline: Baseline) -> Dict[str, Any]:
    assert baseline.jitter is not None
    return {"versions": f"Python {sys.version_info[0]}.{sys.version_info[1]}, TensorFlow {tf.__version__}, "
                        f"NumPy {np.__version__}",
            "figures": {variant: found.variants[variant].metrics.figures["mAP"] for variant in VARIANTS},
            "jitter": {FLOAT: baseline.jitter.tolerance(jitter.FLOAT_MAP),
                       QUANTIZED: baseline.jitter.tolerance(jitter.QUANTIZED_MAP)},
            "quantizers": [[one.name, one.tensor, one.kind, one.bitwidth, one.enabled]
                           for one in found.artifacts.quantization.quantizers],
            "red": [one.gate for one in found.verdicts if one.outcome == "fail"]}


def _run(graph: tf.GraphDef, fetches: Sequence[str], shown: Sequence[np.ndarray],
         more: Mapping[str, np.ndarray] = MappingProxyType({})) -> List[np.ndarray]:
    with sessions.open_session(graph) as session:
        each = [session.run(list(fetches), {"image_tensor:0": image, **more}) for image in shown]
    return [np.concatenate(values) for values in zip(*each)]


def _sqnr(one: np.ndarray, other: np.ndarray) -> str:
    """In dB, one for each image."""
    signal = np.square(one.astype(np.float64)).reshape(len(one), -1).sum(axis=1)
    noise = np.square(one.astype(np.float64) - other).reshape(len(one), -1).sum(axis=1)
    with np.errstate(divide="ignore"):
        return " ".join(f"{value:.1f}" for value in 10 * np.log10(signal / noise))


def differing(one: Record, other: Record, variant: str) -> Tuple[int, int]:
    """Detections of some score that have no twin in the other lane, and all of them, counted in both lanes."""
    alone = total = 0
    for mine, theirs in ((one, other), (other, one)):
        columns = [np.asarray(mine[f"{variant}/{name}"]) for name in _COLUMNS]
        others = [np.asarray(theirs[f"{variant}/{name}"]) for name in _COLUMNS]
        for image, box, score, category in zip(*columns):
            if score < _SCORE:
                continue
            total += 1
            there = (others[0] == image) & (others[3] == category)
            size = max(box[2], box[3], 1.0)
            near = np.abs(others[1][there] - box).max(axis=1) <= _SAME_BOX * size if there.any() else np.array([])
            alone += not near.any()
    return alone, total


def table(one: Record, other: Record) -> str:
    """The table, Markdown: one lane beside the other."""
    mine, theirs = json.loads(str(one["about"])), json.loads(str(other["about"]))
    ranges = one["encodings"][:, 1] - one["encodings"][:, 0]
    encodings = np.abs(one["encodings"] - other["encodings"]).max(axis=1) / ranges \
        if one["encodings"].shape == other["encodings"].shape else np.array([np.inf])
    rows = [(f"{variant} mAP (jitter ±{mine['jitter'][variant]:.4f})",
             *(f"{lane['figures'][variant]:.4f}" for lane in (mine, theirs))) for variant in VARIANTS]
    rows += [("gates and checks that are red, by the same committed baseline", str(len(mine["red"])),
              str(len(theirs["red"])))]
    same = sum(a == b for a, b in zip(mine["quantizers"], theirs["quantizers"]))
    both = [("quantizers that are the same (name, tensor, kind, bits, on or off)",
             f"{same} of {max(len(mine['quantizers']), len(theirs['quantizers']))}"),
            ("encodings, largest difference / range", f"{encodings.max():.1e}"),
            (f"values of {_IMAGES} decoded, resized images that differ",
             f"{int((one['pixels'] != other['pixels']).sum())} of {one['pixels'].size}")]
    for variant in VARIANTS:
        alone, total = differing(one, other, variant)
        both.append((f"{variant} detections of score {_SCORE} and more without one of that class in the other lane "
                     f"whose edges lie within {_SAME_BOX:.0%} of its size", f"{alone} of {total}"))
        for name in (f"{variant}/{output}" for output in _OUTPUTS):
            both += [(f"SQNR of {name}, dB per image", _sqnr(one[name], other[name])),
                     (f"floor: {name} of the first lane against itself, input x (1 + 1e-6)",
                      _sqnr(one[name], one[f"{name}/floor"]))]
    lines = [f"| | {mine['versions']} | {theirs['versions']} |", "|--|--|--|"]
    lines += [f"| {name} | {a} | {b} |" for name, a, b in rows]
    lines += ["", "| between them | |", "|--|--|"]
    lines += [f"| {name} | {value} |" for name, value in both]
    return "\n".join(lines)


def with_table(page: str, new: str) -> str:
    """The page with its table of the lanes replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.partition(END)[2]}"


def main(arguments: Sequence[str]) -> None:
    """Record a lane, or compare two."""
    if arguments[0] == "record":
        np.savez_compressed(arguments[1], **record(Cache(ROOT / ".cache")))
        return
    with np.load(arguments[1], allow_pickle=False) as one, np.load(arguments[2], allow_pickle=False) as other:
        new = table(one, other)
    files.write_text(PAGE, with_table(Path(PAGE).read_text(encoding="utf-8"), new))
    print(new)


if __name__ == "__main__":
    main(sys.argv[1:])
