"""The network as AIMET's own session runs it."""

import contextlib
import threading
from pathlib import Path
from typing import Callable, Iterator, List

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import sessions
from quant_accuracy.quantization.aimet_onnx import conversion, simulation
from quant_accuracy.quantization.aimet_onnx.installation import load_modules, require, step
from quant_accuracy.quantization.records import Settings


@contextlib.contextmanager
def open_network(folder: Path, names: GraphNames) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the network's quantized outputs, for any thread.

    Args:
        folder: The folder that `build` filled.
        names: The graph's ops; the outputs come in the order of its output ops.

    Raises:
        ConfigurationError: AIMET ONNX is not installed or cannot be loaded.
        StorageError: The folder's files are missing or damaged.
    """
    require()
    path, again = folder / simulation.FOLDER, f"delete {folder}, it will be rebuilt"
    if not (path / simulation.STATE).is_file():
        raise StorageError(f"{path / simulation.STATE}: no such file; {again}")
    modules = load_modules()
    with step("loading the quantization simulation", StorageError, again):
        graph = tf.GraphDef.FromString((path / simulation.PREPROCESSING).read_bytes())
        sim = simulation.opened(modules, path, Settings(**read_json(path / simulation.SETTINGS)))
    with sessions.open_session(graph, "the preprocessing") as before:
        # Nothing says that its quantize ops may run in two threads at once.
        lock = threading.Lock()

        def run(images: np.ndarray) -> List[np.ndarray]:
            found = []
            for feed in conversion.feeds(names.image_input, [images]):
                starts = conversion.starting_tensors(before.run, names.starting_ops, feed)
                with lock:
                    found.append(sim.session.run(None, starts))
            return [np.concatenate(values) for values in zip(*found)]

        yield run
