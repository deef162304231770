"""Op by op: a faithful model is healthy, and what is planted in a model is named first."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import TFLITE
from quant_accuracy.device import contract, tflite_inputs, tflite_tensors
from quant_accuracy.device.depth import compare, tflite_ops
from quant_accuracy.device.depth.records import INPUT, Depth
from quant_accuracy.device.job import Job
from quant_accuracy.device.tflite_model import MODEL
from quant_accuracy.quantization import simulate
from tests.support import integer_networks, planted_models

_IMAGES = 3


def _depth(job: Job, content: bytes) -> Depth:
    """What is found of a model, beside the simulation of a job."""
    simulation = simulate.simulate(job.graph, job.quantization)
    with tflite_inputs.open_inputs(job.folder) as inputs_of:
        model = tflite_ops.TfliteOps(content, inputs_of, simulation, job.quantization)
        ops = compare.compare(model, simulation, job.names.image_input, integer_networks.images(_IMAGES))
    return Depth(TFLITE, "tflite", _IMAGES, ops, model.left_out)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A network whose input lies on the grid on which the model takes it."""
    job = integer_networks.job(tmp_path_factory.mktemp("integer"), preprocess=lambda images: images / 128.0 - 1.0)
    contract.of(TFLITE).build(job)
    return job


@pytest.fixture(scope="module")
def content(healthy: Job) -> bytes:
    return (healthy.folder / MODEL).read_bytes()


def test_every_op_of_a_model_that_is_converted_faithfully_is_healthy(healthy: Job, content: bytes) -> None:
    depth = _depth(healthy, content)

    assert [op.label for op in depth.unhealthy()] == []
    assert len(depth.ops) == 1 + len(tflite_tensors.parse(content).ops)
    assert not depth.left_out
    assert max(op.local.most for op in depth.ops) < 1.01
    assert "is within one step" in depth.lines()[0]


def test_an_input_between_two_steps_is_named_and_its_op_is_not(branches: Job) -> None:
    depth = _depth(branches, (branches.folder / MODEL).read_bytes())
    (worst,) = depth.unhealthy()

    assert (worst.type, worst.tensor, worst.place) == (INPUT, "start:0", 0)
    assert worst.local.mean == pytest.approx(0.5, abs=1e-3)
    assert worst.local.shift == pytest.approx(-0.5, abs=1e-3)
    assert "grid -1.004 .. 0.9961" in worst.causes[0]


@pytest.mark.parametrize("wider", [0.8, 1.3])
@pytest.mark.parametrize("tensor", ["a/Relu6:0", "added:0"])
def test_a_range_that_differs_in_the_model_alone_is_named_first(healthy: Job, tmp_path: Path, tensor: str,
                                                                wider: float) -> None:
    depth = _depth(healthy, planted_models.with_range(healthy, tmp_path, tensor, wider))
    worst = depth.unhealthy()

    assert [op.tensor for op in worst] == [tensor]
    assert worst[0].causes[0].startswith("range differs: ")
    assert depth.lines()[0].split("worst first: ")[1].startswith(f"#{worst[0].place} {worst[0].type} {tensor} ")


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_a_bias_scale_that_is_wrong_is_named_first(healthy: Job, content: bytes, factor: float) -> None:
    (worst,) = _depth(healthy, planted_models.with_bias_scale(content, "b/BiasAdd", factor)).unhealthy()

    assert worst.tensor == "b/BiasAdd:0"
    assert worst.causes == (f"bias scale: they are {factor} times those of the simulation",)


@pytest.mark.parametrize(("layer", "given"), [("a/Conv2D", "a/Relu6"), ("e/Conv2D", "e/BiasAdd")])
def test_weights_of_a_layer_that_are_rounded_the_other_way_are_named_first(healthy: Job, content: bytes, layer: str,
                                                                           given: str) -> None:
    weights = planted_models.conv_weights(healthy, layer)
    planted = planted_models.with_weights_rounded_otherwise(content, given, weights)
    (worst,) = _depth(healthy, planted).unhealthy()

    assert (worst.tensor, worst.layer) == (f"{given}:0", layer)
    assert f"of {weights.size} weights differ, by up to 1 steps" in worst.causes[0]


def test_of_two_faults_the_worse_is_named_first_wherever_they_are(healthy: Job, content: bytes) -> None:
    planted = planted_models.with_bias_scale(content, "b/BiasAdd", 1.1)
    worse_behind = planted_models.with_bias_scale(planted, "e/BiasAdd", 3.0)
    worse_before = planted_models.with_bias_scale(planted, "a/Relu6", 3.0)

    assert [op.tensor for op in _depth(healthy, worse_behind).unhealthy()] == ["e/BiasAdd:0", "b/BiasAdd:0"]
    assert [op.tensor for op in _depth(healthy, worse_before).unhealthy()] == ["a/Relu6:0", "b/BiasAdd:0"]


def test_what_a_fault_does_further_on_is_accumulated_and_nobody_elses(healthy: Job, content: bytes) -> None:
    before = _depth(healthy, content)
    after = _depth(healthy, planted_models.with_bias_scale(content, "a/Relu6", 3.0))
    of_end = {op.tensor: op for op in after.ops}["end:0"]

    assert of_end.healthy
    assert of_end.local == {op.tensor: op for op in before.ops}["end:0"].local
    assert of_end.accumulated.rms > 1.0
    assert "grows beyond one step (RMS) at #1 of" in after.lines()[1]


def test_ops_that_are_fed_what_they_get_in_the_whole_model_give_what_it_gives(branches: Job) -> None:
    simulation = simulate.simulate(branches.graph, branches.quantization)
    image = integer_networks.images(1)[0]
    with tflite_inputs.open_inputs(branches.folder) as inputs_of:
        model = tflite_ops.TfliteOps((branches.folder / MODEL).read_bytes(), inputs_of, simulation,
                                     branches.quantization)
        whole = model.whole(image)
        alone = model.alone(image, whole)
        with contract.of(TFLITE).open_network(branches.folder) as network:
            outputs = network(image)

    assert set(alone) == set(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(alone[name], values)
    names = [model.contents.tensors[index].name for index in model.contents.outputs]
    for name, values in zip(names, outputs):
        np.testing.assert_array_equal(values, whole[name])


def test_an_op_that_is_fed_another_image_gives_that_images_values(branches: Job) -> None:
    simulation = simulate.simulate(branches.graph, branches.quantization)
    one, other = integer_networks.images(2)
    with tflite_inputs.open_inputs(branches.folder) as inputs_of:
        model = tflite_ops.TfliteOps((branches.folder / MODEL).read_bytes(), inputs_of, simulation,
                                     branches.quantization)
        expected, found = model.whole(other), model.alone(one, model.whole(other))

    names = {place.counterpart.tensor: place.name for place in model.places}
    np.testing.assert_array_equal(found[names["added:0"]], expected[names["added:0"]])
    assert not np.array_equal(found[names["a/Relu6:0"]], expected[names["a/Relu6:0"]])


def test_a_tensor_that_the_simulation_does_not_quantize_is_said_to_be_so(tmp_path: Path) -> None:
    def pooled(start: tf.Tensor, layers: integer_networks.Layers) -> None:
        first = tf.nn.relu6(layers.conv("a", start, 6), name="a/Relu6")
        tf.nn.relu6(layers.conv("b", tf.nn.max_pool(first, 2, 2, "VALID", name="pool"), 4), name="end")

    job = integer_networks.job(tmp_path, pooled, ["end"], preprocess=lambda images: images / 128.0 - 1.0)
    contract.of(TFLITE).build(job)
    depth = _depth(job, (tmp_path / MODEL).read_bytes())

    assert [op.tensor for op in depth.ops] == ["start:0", "a/Relu6:0", "pool:0", "end:0"]
    assert depth.unhealthy() == []
