"""Steps 3 to 5: quantizers placed, calibrated, and simulated."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from quant_accuracy.artifacts.records import SIMULATOR_FILE, SUPPRESSION_FILE, Checkpoint, Computation
from quant_accuracy.base import files
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.postprocessing import Suppression
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import backends, encodings_file, loading, simulate
from quant_accuracy.quantization.backends import Job
from quant_accuracy.quantization.records import Settings
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.execution import Execution
from quant_accuracy.settings.card import ModelCard


def settings_inputs(settings: Settings) -> Mapping[str, Any]:
    """The settings as they name a place in the cache: of a file its content counts, and that of the graph beside it."""
    path = settings.encodings_file
    beside = None if path is None else loading.graph_beside(path)
    return {**asdict(settings), "encodings_file": path and files.digest_file(path),
            "encodings_graph": beside and files.digest_file(beside)}


def make(folder: Path, card: ModelCard, checkpoint: Checkpoint, calibration: Sequence[Shard],
         suppression: Optional[Suppression], computation: Computation) -> None:
    """Write `quantizers.json`, `model.encodings`, `quantsim.pb`, `suppression.json` and `simulator.json`.

    Raises:
        QuantAccuracyError: A quantizer cannot be placed or calibrated, or an image cannot be read.
    """
    graph = checkpoint.graph()
    batches = images.read_images(calibration, card.calibration_images, card.height, card.width)
    names, settings = card.graph, card.quantization
    execution = Execution(choice.of_name(computation.runtime), names.starting_ops, fixed=bool(card.height))
    network = Network.of(graph, names)
    quantization = backends.build(Job(checkpoint.prefix, network, names, settings, batches, folder, execution))
    quantsim = simulate.simulate(graph, quantization)
    (folder / "quantsim.pb").write_bytes(quantsim.SerializeToString(deterministic=True))
    files.write_json(folder / "quantizers.json", [asdict(quantizer) for quantizer in quantization.quantizers])
    encodings_file.write(folder / "model.encodings", quantization)
    files.write_json(folder / SUPPRESSION_FILE, suppression and asdict(suppression))
    files.write_json(folder / SIMULATOR_FILE, {"simulator": settings.simulator, **asdict(computation),
                                               "versions": dict(backends.versions(settings))})
