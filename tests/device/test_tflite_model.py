"""The integer model against the simulation that it is made from, and what the converter refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, GraphError, UnsupportedError
from quant_accuracy.device import contract, tflite_inputs, tflite_model, tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.device.parameters import Names
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.records import Override, Settings
from tests.support import integer_networks
from tests.support.integer_networks import Layers


def _converted(job: Job) -> bytes:
    inputs = tflite_inputs.of_job(job)
    return tflite_model.convert(tflite_model.with_ranges(job, inputs), inputs, tflite_model.outputs(job))


def test_every_tensor_of_the_model_has_the_encoding_of_the_simulation(branches: Job) -> None:
    contents = tflite_tensors.read(branches.folder / "model.tflite")
    names = Names(contents, branches.quantization)
    found = {names.graph_name(tensor): tensor for tensor in contents.tensors if names.quantizer(tensor) is not None}

    assert set(found) == {quantizer.tensor for quantizer in branches.quantization.enabled()}
    for name, tensor in found.items():
        (encoding,) = branches.quantization.encodings[name]
        assert tensor.scales[0] == pytest.approx(encoding.scale, rel=1e-6)
        assert tensor.zero_points == (-encoding.offset,)


def test_integer_weights_are_those_of_the_simulation(branches: Job) -> None:
    simulated = graph_nodes.by_name(simulate.quantize_weights(branches.graph, branches.quantization))
    contents = tflite_tensors.read(branches.folder / "model.tflite")
    names = Names(contents, branches.quantization)
    weights = {names.graph_name(tensor): tensor for tensor in contents.tensors
               if tensor.constant and names.quantizer(tensor) is not None}

    assert len(weights) == 5
    for name, tensor in weights.items():
        # TFLite has the output channels first; of a depthwise convolution that is a side of 1.
        wanted = graph_nodes.constant(simulated, name).transpose(3, 0, 1, 2)
        steps = np.frombuffer(tensor.constant or b"", np.uint8).reshape(wanted.shape).astype(np.float64)
        np.testing.assert_allclose((steps - tensor.zero_points[0]) * tensor.scales[0], wanted, rtol=0,
                                   atol=1e-3 * tensor.scales[0])


def test_the_same_simulation_gives_the_same_bytes(branches: Job) -> None:
    assert _converted(branches) == (branches.folder / "model.tflite").read_bytes()


def test_a_tensor_without_a_quantizer_that_needs_a_range_is_named(tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, settings=Settings(overrides=(Override("added:0", enabled=False),)))

    with pytest.raises(ConfigurationError, match="nothing quantizes added, .*overrides"):
        contract.of("tflite").build(job)


def test_an_op_that_the_converter_does_not_know_is_said_with_its_type(tmp_path: Path) -> None:
    def body(start: tf.Tensor, layers: Layers) -> None:
        tf.sinh(start, name="end")

    with pytest.raises(UnsupportedError, match="Sinh"):
        _converted(integer_networks.job(tmp_path, body, ["end"]))


def test_a_network_that_takes_more_than_its_starting_ops_is_refused(branches: Job) -> None:
    graph = tf.GraphDef()
    graph.CopyFrom(branches.graph)
    other = graph.node.add(name="other", op="Placeholder")
    other.attr["dtype"].type = tf.float32.as_datatype_enum
    next(node for node in graph.node if node.name == "added").input[1] = "other"
    job = replace(branches, graph=graph)

    with pytest.raises(GraphError, match="'other' besides"):
        tflite_model.with_ranges(job, tflite_inputs.of_job(branches))


def test_biases_on_a_grid_are_biases_of_the_model_all_the_same(tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, settings=Settings(overrides=(Override("Const_1:0", enabled=True),)))

    contract.of("tflite").build(job)

    tensors = tflite_tensors.read(tmp_path / "model.tflite").tensors
    assert [tensor.dtype for tensor in tensors if tensor.shape == (6,)] == ["int32", "int32"]
