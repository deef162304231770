"""Which integer models can be listened to op by op, and how each is opened for it."""

import contextlib
from pathlib import Path
from typing import Callable, ContextManager, Iterator, Mapping

import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import OPENVINO_INT8, TFLITE
from quant_accuracy.device import openvino_int8, tflite_inputs, tflite_tensors
from quant_accuracy.device.depth.contract import ListenedModel
from quant_accuracy.device.depth.openvino_ops import OpenVinoOps
from quant_accuracy.device.depth.tflite_ops import TfliteOps
from quant_accuracy.device.tflite_model import MODEL
from quant_accuracy.quantization.records import Quantization

Open = Callable[[Path, GraphNames, tf.GraphDef, Quantization], ContextManager[ListenedModel]]


@contextlib.contextmanager
def _open_tflite(folder: Path, names: GraphNames, simulation: tf.GraphDef,
                 quantization: Quantization) -> Iterator[ListenedModel]:
    path = folder / MODEL
    tflite_tensors.read(path)
    with tflite_inputs.open_inputs(folder) as inputs_of:
        yield TfliteOps(path.read_bytes(), inputs_of, simulation, quantization)


@contextlib.contextmanager
def _open_openvino(folder: Path, names: GraphNames, simulation: tf.GraphDef,
                   quantization: Quantization) -> Iterator[ListenedModel]:
    openvino_int8.require()
    graph = openvino_int8.read_graph(folder)
    with contextlib.ExitStack() as stack:
        yield OpenVinoOps(graph, names, quantization, stack)


_KINDS: Mapping[str, Open] = {TFLITE: _open_tflite, OPENVINO_INT8: _open_openvino}


def can_listen(kind: str) -> bool:
    """Whether the ops of such a model can be heard one by one."""
    return kind in _KINDS


def open_model(kind: str, folder: Path, names: GraphNames, simulation: tf.GraphDef,
               quantization: Quantization) -> ContextManager[ListenedModel]:
    """An integer model, ready to be listened to.

    Args:
        kind: Which one.
        folder: What `contract.build` filled.
        names: The graph's ops.
        simulation: The fake-quant graph that it was made from.
        quantization: Quantizers and encodings of that.

    Raises:
        StorageError: The folder's files are missing or damaged.
        UnsupportedError: The runtime does not take the model.
    """
    return _KINDS[kind](folder, names, simulation, quantization)
