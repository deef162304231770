"""Why a device differs from the simulation: its integer model, op by op, on a few of the images that calibrate."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts, DeviceModel
from quant_accuracy.base import concurrency, documents, files
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import unexpected
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.device.depth import compare, kinds
from quant_accuracy.device.depth.records import Depth, Difference, Op
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline.evaluation import Evaluation

IMAGES = 4
_STEP = "device: op by op"
_FILE = "depth.json"


def of_evaluation(evaluation: Evaluation, most_images: int = IMAGES) -> Optional[Depth]:
    """Simulation and integer model beside each other, op by op; None where no integer model was run here.

    What was measured is kept in the cache.

    Args:
        evaluation: The evaluation.
        most_images: On how many of the images that calibrate, at most.

    Raises:
        QuantAccuracyError: Something could not be measured.
    """
    artifacts, prepared = evaluation.artifacts, evaluation.prepared
    device = artifacts.device
    if device is None or not kinds.can_listen(device.kind):
        return None
    count = min(most_images, evaluation.request.card.calibration_images)
    inputs = {"device": device.folder.name, "images": count, "tensorflow": sessions.version(),
              "code": code_digest("graph", "quantization", "device")}

    def make(folder: Path) -> None:
        with concurrency.limited_to(prepared.request.threads):
            found = _measured(artifacts, device, evaluation.request.card.graph, prepared.calibration_images(count))
        files.write_json(folder / _FILE, asdict(found))

    with prepared.watch.step(_STEP):
        return _read(prepared.cache.folder("depth", inputs, f"comparing the integer model ({device.kind}) op by op",
                                           make) / _FILE)


def _measured(artifacts: Artifacts, device: DeviceModel, names: GraphNames, images: Sequence[np.ndarray]) -> Depth:
    simulation: tf.GraphDef = artifacts.graph(QUANTIZED)
    with kinds.open_model(device.kind, device.folder, names, simulation, artifacts.quantization) as model:
        ops = compare.compare(model, simulation, names.image_input, images)
        return Depth(device.kind, device.identity, len(images), ops, list(model.left_out))


def _read(path: Path) -> Depth:
    record = documents.read_json(path)
    return Depth(**{**record, "ops": [_op(item) for item in record["ops"]]})


def _op(item: Mapping[str, Any]) -> Op:
    return Op(**{**item, "local": Difference(**item["local"]), "accumulated": Difference(**item["accumulated"]),
                 "causes": tuple(item["causes"])})


def told(evaluation: Evaluation) -> List[str]:
    """What is to be said of why a device differs, line by line; nothing where no integer model was run here."""
    try:
        found = of_evaluation(evaluation)
    except Exception as error:
        # The figures stand, whatever becomes of the reasons.
        return [f"device: could not be compared op by op: {unexpected(error)}"]
    return [] if found is None else [f"device: {line}" for line in found.lines()]


def as_document(depth: Depth) -> Dict[str, Any]:
    """JSON-like: the ops in the order in which the model runs, and which of them are not healthy, worst first."""
    worst: List[Op] = depth.unhealthy()
    return {"kind": depth.kind, "runtime": depth.identity, "images": depth.images, "lines": depth.lines(),
            "ops": [{**asdict(op), "causes": list(op.causes), "label": op.label, "healthy": op.healthy}
                    for op in depth.ops],
            "unhealthy": [depth.ops.index(op) for op in worst], "left_out": list(depth.left_out)}
