"""A model with other inputs and outputs is the same model otherwise, and a file that TFLite takes."""

from dataclasses import replace

import numpy as np

from quant_accuracy.device import tflite_tensors
from quant_accuracy.device.depth import rewiring
from quant_accuracy.device.depth.rewiring import Wiring
from quant_accuracy.device.job import Job
from quant_accuracy.device.tflite_interpreter import Model
from quant_accuracy.device.tflite_model import MODEL
from tests.support import integer_networks


def test_rewired_as_it_was_it_is_the_same_model(branches: Job) -> None:
    content = (branches.folder / MODEL).read_bytes()
    contents = tflite_tensors.parse(content)
    same = rewiring.rewire(content, Wiring([], [op.inputs for op in contents.ops], contents.inputs, contents.outputs))

    assert tflite_tensors.parse(same) == contents
    image = integer_networks.images(1)
    for found, wanted in zip(Model(same).run(image), Model(content).run(image)):
        np.testing.assert_array_equal(found, wanted)


def test_a_copy_has_the_shape_and_the_grid_of_its_tensor_and_nothing_else_changes(branches: Job) -> None:
    content = (branches.folder / MODEL).read_bytes()
    before = tflite_tensors.parse(content)
    op = before.ops[1]
    inputs = [list(op.inputs) for op in before.ops]
    inputs[1][0] = len(before.tensors)
    after = tflite_tensors.parse(rewiring.rewire(content, Wiring([op.inputs[0]], inputs, [*before.inputs, inputs[1][0]],
                                                                 op.outputs)))

    assert after.tensors[:-1] == before.tensors
    assert after.tensors[-1] == replace(before.tensors[op.inputs[0]], index=len(before.tensors))
    assert after.inputs == (*before.inputs, len(before.tensors))
    assert after.outputs == op.outputs
    assert [list(op.inputs) for op in after.ops] == inputs
    assert [op.outputs for op in after.ops] == [op.outputs for op in before.ops]
