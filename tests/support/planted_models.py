"""Faults planted in an integer model alone, as a converter might make them: the simulation knows nothing of them."""

from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import TFLITE
from quant_accuracy.device import contract, tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.device.tflite_model import MODEL
from quant_accuracy.device.tflite_tensors import Op, Tensor
from quant_accuracy.quantization.records import Encoding, Quantization


def with_range(job: Job, folder: Path, tensor: str, wider: float) -> bytes:
    """The model that is made where one activation has another range, so many times as wide."""
    (encoding,) = job.quantization.encodings[tensor]
    scale = encoding.scale * wider
    other = Encoding(scale * encoding.offset, scale * (encoding.offset + 255), scale, encoding.offset,
                     encoding.bitwidth)
    quantization = Quantization(job.quantization.quantizers, {**job.quantization.encodings, tensor: (other,)})
    contract.of(TFLITE).build(replace(job, quantization=quantization, folder=folder))
    return (folder / MODEL).read_bytes()


def with_bias_scale(content: bytes, given: str, factor: float) -> bytes:
    """The model whose biases of the op that gives a tensor stand on a grid of another scale."""
    def scaled(op: Op, bias: Tensor) -> np.ndarray:
        return np.round(np.frombuffer(bias.constant or b"", np.int32) * factor).astype(np.int32)

    return _with_constant(content, given, 2, scaled)


def with_weights_rounded_otherwise(content: bytes, given: str, weights: np.ndarray) -> bytes:
    """The model whose weights of the op that gives a tensor are rounded down where the nearest is above, and so on.

    Args:
        content: The model.
        given: The tensor.
        weights: Those of the float graph, as the model lays them out.
    """
    def rounded(op: Op, tensor: Tensor) -> np.ndarray:
        exact = weights.ravel() / tensor.scales[0] + tensor.zero_points[0]
        nearest = np.round(exact)
        other = np.where(exact > nearest, np.ceil(exact), np.floor(exact))
        return np.clip(other, 0, 255).astype(np.uint8)

    return _with_constant(content, given, 1, rounded)


def _with_constant(content: bytes, given: str, place: int, change: Callable[[Op, Tensor], np.ndarray]) -> bytes:
    """The model with another constant at some input of the op that gives a tensor."""
    contents = tflite_tensors.parse(content)
    # Newer converters name a tensor after all ops that became one, the last of them first.
    (op,) = [op for op in contents.ops if contents.tensors[op.outputs[0]].name.split(";")[0] == given]
    tensor = contents.tensors[op.inputs[place]]
    before, after = tensor.constant or b"", change(op, tensor).tobytes()
    assert content.count(before) == 1
    assert len(before) == len(after)
    assert before != after
    return content.replace(before, after)


def conv_weights(job: Job, op: str) -> np.ndarray:
    """The float weights of a convolution, output channels first, as TFLite has them."""
    nodes = {node.name: node for node in job.graph.node}
    reference = nodes[op].input[1].split(":")[0]
    while nodes[reference].op == "Identity":
        reference = nodes[reference].input[0]
    values: np.ndarray = tf.make_ndarray(nodes[reference].attr["value"].tensor)
    return values.transpose(3, 0, 1, 2)
