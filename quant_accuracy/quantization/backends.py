"""Who places quantizers and makes encodings, and who runs the network with them: one contract for all of them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, ContextManager, List, Mapping, Optional, Sequence

import numpy as np

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, aimet_onnx, calibrate, configuration, loading, placement
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import (
    AIMET,
    AIMET_ONNX,
    AUTO,
    BUILTIN,
    FOLD,
    PERCENTILE,
    TF,
    TF_ENHANCED,
    Quantization,
    Settings,
)
from quant_accuracy.runtimes.execution import Execution

# From uint8 images [n, height, width, 3] to the network's outputs, in the order of its output ops, for any thread.
RunNetwork = Callable[[np.ndarray], List[np.ndarray]]


@dataclass(frozen=True)
class Job:
    """What a backend is given.

    Attributes:
        checkpoint: Prefix of the checkpoint's files.
        network: The same checkpoint's network in a frozen graph, batch norms folded.
        names: The graph's ops.
        settings: How it is to be quantized, settled.
        batches: Calibration images, uint8 [batch, height, width, 3].
        folder: Gets what the backend needs to run the network, where it is to, and what it exports.
        execution: What computes the network where the backend leaves that open.
    """

    checkpoint: Path
    network: Network
    names: GraphNames
    settings: Settings
    batches: Sequence[Batch]
    folder: Path
    execution: Execution


@dataclass(frozen=True)
class Backend:
    """One who quantizes.

    Attributes:
        product: What messages call it.
        check: Refuses settings that it cannot follow, and says so where it is not installed.
        versions: The versions of what it is made of, by package: its results depend on them.
        build: Places quantizers, named after the tensors of the job's network, and calibrates them.
        open_network: Runs the network as `build` left it in a folder; None for what the graph of the simulation does.
    """

    product: str
    check: Callable[[Settings], None]
    versions: Callable[[], Mapping[str, str]]
    build: Callable[[Job], Quantization]
    open_network: Optional[Callable[[Path, GraphNames], ContextManager[RunNetwork]]] = None


def _build_builtin(job: Job) -> Quantization:
    graph, settings = job.network.graph, job.settings
    quantizers = placement.place_quantizers(job.network, settings)
    return calibrate.calibrate(graph, quantizers, settings, job.names.image_input, job.batches,
                               loading.load(settings, quantizers, graph), job.execution)


def _require_known_scheme(settings: Settings, product: str) -> None:
    if settings.scheme == PERCENTILE:
        raise ConfigurationError(f"{product} is not asked for scheme {PERCENTILE} here; use {TF} or {TF_ENHANCED}, or "
                                 "--backend builtin")


def _check_aimet(settings: Settings) -> None:
    aimet.require()
    _require_known_scheme(settings, "AIMET 1.19")
    if settings.configuration.per_channel:
        raise ConfigurationError("AIMET 1.19 ignores per_channel_quantization; set it to False, "
                                 "or use --backend builtin")
    if settings.spelled_out_batch_norms == FOLD:
        raise ConfigurationError("AIMET cannot fold batch norms that are spelled out in plain ops; use --backend "
                                 "builtin, or --spelled-out-batch-norms keep")


def _build_aimet(job: Job) -> Quantization:
    path, settings = job.folder / "configuration.json", job.settings
    configuration.write(path, settings.configuration)
    return _with_loaded(job, aimet.build(job.checkpoint, job.network, job.names, settings, path, job.batches,
                                         job.folder, simulate=settings.simulator == AIMET))


def _check_aimet_onnx(settings: Settings) -> None:
    aimet_onnx.require()
    _require_known_scheme(settings, "AIMET ONNX")


def _build_aimet_onnx(job: Job) -> Quantization:
    return _with_loaded(job, aimet_onnx.build(job.network, job.names.image_input, job.settings, job.batches,
                                              job.folder))


def _with_loaded(job: Job, made: Quantization) -> Quantization:
    """With the encodings that the settings take from a file."""
    loaded = loading.load(job.settings, made.quantizers, job.network.graph)
    return replace(made, encodings={**made.encodings, **loaded})


_BACKENDS: Mapping[str, Backend] = {
    BUILTIN: Backend("the built-in simulator", lambda settings: None, dict, _build_builtin),
    AIMET: Backend("AIMET", _check_aimet, lambda: {"aimet": aimet.installed() or ""}, _build_aimet,
                   aimet.open_network),
    AIMET_ONNX: Backend("AIMET ONNX", _check_aimet_onnx, aimet_onnx.versions,
                        _build_aimet_onnx, aimet_onnx.open_network),
}


def settled(settings: Settings) -> Settings:
    """The settings with backend and simulator named.

    Raises:
        ConfigurationError: They contradict each other, or a backend is asked for and not there.
    """
    backend = settings.backend
    if backend == AUTO:
        backend = AIMET if aimet.usable() else BUILTIN
    simulator = settings.simulator or backend
    _BACKENDS[backend].check(settings)
    if simulator not in (BUILTIN, backend):
        raise ConfigurationError(f"{_BACKENDS[simulator].product} can run only what it has built; use --backend "
                                 f"{simulator}, or --simulate builtin")
    if simulator != BUILTIN and settings.encodings_file is not None:
        raise ConfigurationError(f"{_BACKENDS[simulator].product} cannot run with encodings from a file; "
                                 "use --simulate builtin")
    return replace(settings, backend=backend, simulator=simulator)


def versions(settings: Settings) -> Mapping[str, str]:
    """The versions, by package, that the results of settled settings depend on, besides this project's own."""
    return _BACKENDS[settings.backend].versions()


def build(job: Job) -> Quantization:
    """Place quantizers and make their encodings with the backend that the settings name.

    Raises:
        QuantAccuracyError: Of the kind that the backend documents.
    """
    return _BACKENDS[job.settings.backend].build(job)


def open_network(simulator: str, folder: Path, names: GraphNames) -> ContextManager[RunNetwork]:
    """Run the network as a backend other than the built-in one does.

    Args:
        simulator: The backend.
        folder: The folder of artifacts, with what `build` left there.
        names: The graph's ops.

    Raises:
        ConfigurationError: The backend is not installed.
        StorageError: The folder's files are missing or damaged.
    """
    opened = _BACKENDS[simulator].open_network
    assert opened is not None, simulator
    return opened(folder, names)
