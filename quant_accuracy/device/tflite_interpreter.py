"""TFLite's interpreter: integer kernels, one thread an op, an interpreter for each thread that calls."""

import contextlib
import queue
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import quiet_import
from quant_accuracy.base.errors import GraphError, StorageError, UnsupportedError, first_line
from quant_accuracy.device import tflite_inputs
from quant_accuracy.device.tflite_model import MODEL

_REMEDY = "leave --device tflite out, or measure on a device of your own with --device-outputs"


class Model:
    """A model that any thread can run; the same inputs give the same outputs, whoever runs it.

    Args:
        content: The model's file.
        label: What messages call it.

    Raises:
        UnsupportedError: The interpreter does not take it.
    """

    def __init__(self, content: bytes, label: str = MODEL) -> None:
        self._content, self._label = content, label
        self._free: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        # Making one parses the model: not in two threads at a time.
        self._lock = threading.Lock()
        first = self._opened()
        self._outputs = first.get_output_details()
        self._inputs = first.get_input_details()
        self._free.put(first)

    @property
    def outputs(self) -> Sequence[Any]:
        """What the interpreter says of the model's outputs, in their order."""
        return list(self._outputs)

    def run(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """The outputs for one image, as integers.

        Args:
            inputs: uint8 [1, ...] each, in the model's order.

        Raises:
            GraphError: The model cannot be run on them.
        """
        try:
            interpreter = self._free.get_nowait()
        except queue.Empty:
            interpreter = self._opened()
        try:
            for details, value in zip(self._inputs, inputs):
                interpreter.set_tensor(details["index"], value)
            interpreter.invoke()
            return [interpreter.get_tensor(details["index"]) for details in self._outputs]
        except (RuntimeError, ValueError) as error:
            raise GraphError(f"{self._label}: TFLite fails ({first_line(error)}); {_REMEDY}") from error
        finally:
            self._free.put(interpreter)

    def _opened(self) -> Any:
        with self._lock, quiet_import.without_noise():
            try:
                interpreter = tf.lite.Interpreter(model_content=self._content, **_settings())
                interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                raise UnsupportedError(f"{self._label}: TFLite's interpreter of TensorFlow {tf.__version__} does not "
                                       f"take it ({first_line(error)}); {_REMEDY}") from error
        return interpreter


def _settings() -> Any:
    """What asks a newer interpreter for what the older one does anyway: one thread, and TFLite's own kernels.

    XNNPACK, its default delegate, rounds otherwise.
    """
    if tf.__version__.startswith("1."):
        return {}
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return {"num_threads": 1, "experimental_op_resolver_type": kernels}


def dequantized(steps: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The values of a grid's steps, float32."""
    return np.asarray((steps.astype(np.float32) - np.float32(zero_point)) * np.float32(scale))


@contextlib.contextmanager
def open_network(folder: Path) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the network's outputs, float32, for any thread.

    Args:
        folder: What `contract.build` filled.

    Raises:
        StorageError: The folder's files are missing or damaged.
        UnsupportedError: The interpreter does not take the model.
    """
    path = folder / MODEL
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: not readable ({error.strerror}); delete {folder}, it will be rebuilt") \
            from error
    model = Model(content)
    grids = [details["quantization"] for details in model.outputs]
    with tflite_inputs.open_inputs(folder) as inputs_of:

        def run(images: np.ndarray) -> List[np.ndarray]:
            inputs = inputs_of(images)
            found = [model.run([value[index:index + 1] for value in inputs]) for index in range(len(images))]
            return [np.concatenate([dequantized(steps, *grid) for steps in of_output])
                    for of_output, grid in zip(zip(*found), grids)]

        yield run
