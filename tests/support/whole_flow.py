"""A detector through all that its user does: the card checked, the report, what AIMET's export writes."""

import json
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.commands import check_card, report
from quant_accuracy.settings.card import DataPaths

OUTPUTS = ("concat", "concat_1")


class Walked(NamedTuple):
    """What a detector left on its way.

    Attributes:
        card: Its model card.
        cache: The cache.
        checked: Exit status of check-card.
        reported: Exit status of report.
        document: report.json.
        quantizers: Those of the network.
        folded: How many batch norms were folded.
        quantsim: What `--quantsim-output-dir` wrote.
        seconds: Of the report.
    """

    card: Path
    cache: Path
    checked: int
    reported: int
    document: Dict[str, Any]
    quantizers: List[Dict[str, Any]]
    folded: int
    quantsim: Path
    seconds: float

    def mAP(self, variant: str) -> float:
        """The mAP of the float or quantized network."""
        return float(self.document["metrics"][variant]["figures"]["mAP"])


def card(path: Path, base: str, data: DataPaths, side: int, **quantization: Any) -> Path:
    """A model card that builds on a shipped one, for other data and another size; 0 for images as they are."""
    size: Dict[str, Any] = {"height": side, "width": side} if side else {"height": None, "width": None, "resize": False}
    path.write_text(json.dumps({
        "base": base, "name": path.stem, "input": size,
        "quantization": quantization or {"scheme": "tf"}, "calibration": {"images": 4},
        # What the float detector finds is the ground truth: see `detectors.own_ground_truth`.
        "gates": {"float_mAP": {"expected": 1.0, "within": 1e-6}, "mAP_drop": 0.9, "mAP_ratio": 0.1},
        "data": {"checkpoint": str(data.checkpoint), "dataset_dir": str(data.dataset_dir), "pattern": data.pattern,
                 "annotations": str(data.annotations)}}))
    return path


def walk(card_file: Path, folder: Path) -> Walked:
    """Check a card, report on it, and export its quantsim, with a cache of its own in `folder`."""
    cache, output, quantsim = (folder / f"{card_file.stem}-{name}" for name in ("cache", "output", "quantsim"))
    checked = check_card.main([str(card_file)])
    started = time.time()
    reported = report.main(["--model", str(card_file), "--cache-dir", str(cache), "--output-dir", str(output),
                            "--quantsim-output-dir", str(quantsim)])
    seconds = time.time() - started
    (fold,) = cache.glob("float/*/fold.json")
    return Walked(card_file, cache, checked, reported, json.loads((output / "report.json").read_text()),
                  json.loads((quantsim / "quantizers.json").read_text()), len(json.loads(fold.read_text())["folded"]),
                  quantsim, seconds)


def outputs(graph: tf.GraphDef, images: List[np.ndarray], names: Any = OUTPUTS) -> List[List[np.ndarray]]:
    """The tensors of some ops for each image."""
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(graph, name="")
    with tf.Session(graph=scope) as session:
        return [session.run([f"{name}:0" for name in names], {"image_tensor:0": image}) for image in images]
