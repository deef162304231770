"""The network as AIMET runs it."""

import contextlib
import threading
from pathlib import Path
from typing import Callable, Iterator, List

import numpy as np

from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.aimet import batching
from quant_accuracy.quantization.aimet.installation import load_modules, require
from quant_accuracy.quantization.aimet.simulation import feeds, fetches
from quant_accuracy.quantization.aimet.workspace import CHECKPOINT, PREFIX, step


@contextlib.contextmanager
def open_network(folder: Path, names: GraphNames) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the network's quantized outputs, for any thread.

    Args:
        folder: The folder that `build` filled.
        names: The graph's ops; the outputs come in the order of its output ops.

    Raises:
        ConfigurationError: AIMET is not installed or cannot be loaded.
        StorageError: The folder's files are missing or damaged.
    """
    require()
    path = folder / CHECKPOINT
    if not (path / f"{PREFIX}.meta").is_file():
        raise StorageError(f"{path}/{PREFIX}.meta: no such file; delete {folder}, it will be rebuilt")
    modules = load_modules()
    with step("loading the quantization simulation", StorageError, f"delete {folder}, it will be rebuilt"), \
            batching.sessions(modules, optimized=True):
        # The quantize ops hold the addresses of objects that belong to `sim`: it has to outlive the session.
        sim = modules.quantsim.load_checkpoint(str(path), PREFIX)
    with contextlib.closing(sim.session):
        fetched = fetches(sim.session.graph, names.output_ops)
        session = sessions.GraphSession(sim.session, "AIMET's simulation")
        # Each run adds to the statistics of the weights' quantizers, which are not made for two threads.
        lock = threading.Lock()

        def run(images: np.ndarray) -> List[np.ndarray]:
            with lock:
                return list(session.run(fetched, feeds(sim.session.graph, names, images)))

        yield run
