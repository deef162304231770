"""What is read out of a model's file, against what the interpreter says of it."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import StorageError
from quant_accuracy.device import tflite_tensors
from quant_accuracy.device.job import Job


def test_tensors_are_those_that_the_interpreter_has(branches: Job) -> None:
    path = branches.folder / "model.tflite"
    interpreter = tf.lite.Interpreter(model_content=path.read_bytes())
    interpreter.allocate_tensors()
    details = {item["index"]: item for item in interpreter.get_tensor_details()}

    contents = tflite_tensors.read(path)

    for tensor in contents.tensors:
        wanted = details[tensor.index]
        assert tensor.name == wanted["name"]
        assert tensor.shape == tuple(wanted["shape"])
        assert tensor.dtype == np.dtype(wanted["dtype"]).name
        scale, zero_point = wanted["quantization"]
        assert (tensor.scales or (0.0,), tensor.zero_points or (0,)) == ((scale,), (zero_point,))
    assert contents.inputs == tuple(item["index"] for item in interpreter.get_input_details())
    assert contents.outputs == tuple(item["index"] for item in interpreter.get_output_details())


def test_constants_are_those_that_the_interpreter_has(branches: Job) -> None:
    path = branches.folder / "model.tflite"
    interpreter = tf.lite.Interpreter(model_content=path.read_bytes())
    interpreter.allocate_tensors()

    constants = [tensor for tensor in tflite_tensors.read(path).tensors if tensor.constant]

    assert len(constants) >= 10
    for tensor in constants:
        assert tensor.constant == interpreter.get_tensor(tensor.index).tobytes()


def test_ops_come_in_the_order_in_which_they_run(branches: Job) -> None:
    contents = tflite_tensors.read(branches.folder / "model.tflite")
    known = {*contents.inputs, *(tensor.index for tensor in contents.tensors if tensor.constant)}
    for op in contents.ops:
        assert set(op.inputs) <= known
        known |= set(op.outputs)

    assert [op.type for op in contents.ops] == ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "CONV_2D", "CONV_2D", "MUL",
                                                "CONCATENATION", "CONV_2D", "RESHAPE"]


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 100, b"\x1c\x00\x00\x00TFL3" + b"\xff" * 60])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)

    with pytest.raises(StorageError, match="no TFLite model"):
        tflite_tensors.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="model.tflite: not readable"):
        tflite_tensors.read(tmp_path / "model.tflite")
