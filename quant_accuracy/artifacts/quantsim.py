"""Steps 3 to 5: quantizers placed, calibrated, and simulated."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from quant_accuracy.artifacts.records import SIMULATOR_FILE, SUPPRESSION_FILE, Computation, read_graph
from quant_accuracy.base import files
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.postprocessing import Suppression
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, calibrate, configuration, encodings_file, loading, placement, simulate
from quant_accuracy.quantization.records import AIMET, AUTO, BUILTIN, FOLD, Settings
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.execution import Execution
from quant_accuracy.settings.card import ModelCard


def settled(settings: Settings) -> Settings:
    """The settings with backend and simulator named.

    Raises:
        ConfigurationError: They contradict each other, or AIMET is asked for and not there.
    """
    backend = settings.backend
    if backend == AUTO:
        backend = AIMET if aimet.usable() else BUILTIN
    simulator = settings.simulator or backend
    if backend == AIMET:
        aimet.require()
        if settings.configuration.per_channel:
            raise ConfigurationError("AIMET 1.19 ignores per_channel_quantization; set it to False, "
                                     "or use --backend builtin")
        if settings.spelled_out_batch_norms == FOLD:
            raise ConfigurationError("AIMET cannot fold batch norms that are spelled out in plain ops; use --backend "
                                     "builtin, or --spelled-out-batch-norms keep")
    if simulator == AIMET and backend != AIMET:
        raise ConfigurationError("AIMET can run only what it has built; use --backend aimet, or --simulate builtin")
    if simulator == AIMET and settings.encodings_file is not None:
        raise ConfigurationError("AIMET cannot run with encodings from a file; use --simulate builtin")
    return replace(settings, backend=backend, simulator=simulator)


def settings_inputs(settings: Settings) -> Mapping[str, Any]:
    """The settings as they name a place in the cache: of a file its content counts, and that of the graph beside it."""
    path = settings.encodings_file
    beside = None if path is None else loading.graph_beside(path)
    return {**asdict(settings), "encodings_file": path and files.digest_file(path),
            "encodings_graph": beside and files.digest_file(beside)}


def make(folder: Path, card: ModelCard, float_folder: Path, calibration: Sequence[Shard], checkpoint: Path,
         suppression: Optional[Suppression], computation: Computation) -> None:
    """Write `quantizers.json`, `model.encodings`, `quantsim.pb`, `suppression.json` and `simulator.json`.

    Raises:
        QuantAccuracyError: A quantizer cannot be placed or calibrated, or an image cannot be read.
    """
    names = card.graph
    graph = read_graph(float_folder / "folded.pb")
    network = Network.of(graph, names)
    settings = card.quantization
    batches = images.read_images(calibration, card.calibration_images, card.height, card.width)
    if settings.backend == AIMET:
        configuration.write(folder / "configuration.json", settings.configuration)
        made = aimet.build(checkpoint, network, names, settings, folder / "configuration.json", batches, folder,
                           simulate=settings.simulator == AIMET)
        quantization = replace(made, encodings={**made.encodings, **loading.load(settings, made.quantizers, graph)})
    else:
        quantizers = placement.place_quantizers(network, settings)
        quantization = calibrate.calibrate(graph, quantizers, settings, names.image_input, batches,
                                           loading.load(settings, quantizers, graph),
                                           Execution(choice.of_name(computation.runtime), names.starting_ops,
                                                     fixed=bool(card.height)))
    quantsim = simulate.simulate(graph, quantization)
    (folder / "quantsim.pb").write_bytes(quantsim.SerializeToString(deterministic=True))
    files.write_json(folder / "quantizers.json", [asdict(quantizer) for quantizer in quantization.quantizers])
    encodings_file.write(folder / "model.encodings", quantization)
    files.write_json(folder / SUPPRESSION_FILE, suppression and asdict(suppression))
    files.write_json(folder / SIMULATOR_FILE, {"simulator": settings.simulator, **asdict(computation)})
