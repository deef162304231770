"""From images to what an integer model takes: pixels as they are, or preprocessed values on the input's grid."""

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import files
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.device.job import Job
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.runtimes.execution import Execution, preprocessing_table
from quant_accuracy.runtimes.tensorflow_runtime import TensorFlow

_FILE, _PREPROCESSING = "model_inputs.json", "preprocessing.pb"
_PIXELS = 256
# How far pixel * factor + offset may lie from what preprocessing gives, in steps between pixels: float32's rounding.
_NEAR = 1e-3


@dataclass(frozen=True)
class Input:
    """An input of an integer model: the values `(q - mean) / std` for q in 0 .. 255.

    Attributes:
        tensor: What the starting op gives.
        shape: Of the tensor, for one image.
        mean: The place of zero, as TFLite's converter takes it.
        std: How many steps make one.
        pixels: Whether q are the pixels of the image; otherwise its values are preprocessed and put on the grid.
    """

    tensor: str
    shape: Tuple[int, ...]
    mean: float
    std: float
    pixels: bool


def of_job(job: Job) -> List[Input]:
    """The inputs of a job's model, one for each starting op.

    Raises:
        ConfigurationError: An input has neither a quantizer nor pixels that are only scaled and shifted.
        GraphError: Preprocessing cannot be run.
    """
    quantized = {q.tensor: job.quantization.encodings[q.tensor][0] for q in job.of_inputs()}
    tensors = [f"{name}:0" for name in job.names.starting_ops]
    grey = np.full([1, job.height, job.width, 3], 128, np.uint8)
    with sessions.open_session(_preprocessing(job), "the float graph's preprocessing") as session:
        values = session.run(tensors, {f"{job.names.image_input}:0": grey})
    found = []
    for tensor, value in zip(tensors, values):
        if tensor in quantized:
            mean, std, pixels = float(-quantized[tensor].offset), 1.0 / quantized[tensor].scale, False
        else:
            (mean, std), pixels = _of_pixels(job, tensor), True
        found.append(Input(tensor, tuple(int(side) for side in value.shape), mean, std, pixels))
    return found


def _preprocessing(job: Job) -> tf.GraphDef:
    return graph_nodes.subgraph(job.graph, list(job.names.starting_ops))


def _of_pixels(job: Job, tensor: str) -> Tuple[float, float]:
    """Mean and std of an input that is the image, scaled and shifted."""
    stats = None
    if len(job.names.starting_ops) == 1:
        execution = Execution(TensorFlow(), job.names.starting_ops, job.names.output_ops)
        stats = _mean_and_std(preprocessing_table(job.graph, execution, job.names.image_input, job.height, job.width))
    if stats is None:
        raise ConfigurationError(
            f"the network's input {tensor} has no quantizer, and is more than each pixel scaled and shifted alike, so "
            "nothing says on which grid a device takes it; name a starting_op in the model card that can have a "
            "quantizer, and switch that on in the quantizer configuration (model_input: is_input_quantized)")
    return stats


def _mean_and_std(table: Optional[np.ndarray]) -> Optional[Tuple[float, float]]:
    """Of a table `pixel * factor + offset`; None where it is another."""
    if table is None:
        return None
    values = table.astype(np.float64)
    factor = (values[-1] - values[0]) / (_PIXELS - 1)
    if factor <= 0 or np.abs(np.arange(_PIXELS) * factor + values[0] - values).max() > _NEAR * factor:
        return None
    return float(-values[0] / factor), float(1.0 / factor)


def write(job: Job, inputs: Sequence[Input]) -> None:
    """Leave in the job's folder what `open_inputs` needs."""
    files.write_json(job.folder / _FILE, {"image_input": job.names.image_input,
                                          "inputs": [asdict(item) for item in inputs]})
    (job.folder / _PREPROCESSING).write_bytes(_preprocessing(job).SerializeToString(deterministic=True))


def read(folder: Path) -> List[Input]:
    """The inputs of the model in a folder.

    Raises:
        StorageError: The file is missing or damaged.
    """
    return _read(folder)[1]


def _read(folder: Path) -> Tuple[str, List[Input]]:
    try:
        record = read_json(folder / _FILE)
        return str(record["image_input"]), [Input(**{**item, "shape": tuple(item["shape"])})
                                            for item in record["inputs"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{folder / _FILE}: not readable ({error}); delete {folder}, it will be rebuilt") \
            from error


@contextlib.contextmanager
def open_inputs(folder: Path) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the model's inputs, uint8 [n, ...] each; for any thread.

    Raises:
        StorageError: The folder's files are missing or damaged.
    """
    image_input, inputs = _read(folder)
    if all(item.pixels for item in inputs):
        yield lambda images: [images for _ in inputs]
        return
    graph = tf.GraphDef.FromString((folder / _PREPROCESSING).read_bytes())
    tensors = [item.tensor for item in inputs]
    with sessions.open_session(graph, "the float graph's preprocessing") as session:

        def run(images: np.ndarray) -> List[np.ndarray]:
            # One by one: a graph may lay out the inputs of several images in any way.
            values: Dict[str, List[np.ndarray]] = {tensor: [] for tensor in tensors}
            for image in images:
                found = session.run(tensors, {f"{image_input}:0": image[np.newaxis]})
                for item, value in zip(inputs, found):
                    values[item.tensor].append(image[np.newaxis] if item.pixels else on_grid(value, item))
            return [np.concatenate(values[tensor]) for tensor in tensors]

        yield run


def on_grid(values: np.ndarray, item: Input) -> np.ndarray:
    """The steps of an input's grid nearest to some values, halves away from zero, as a simulation rounds them."""
    steps = values.astype(np.float64) * item.std
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + np.round(item.mean)
    return np.asarray(np.clip(rounded, 0, _PIXELS - 1).astype(np.uint8))
