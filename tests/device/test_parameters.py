"""What a converter did on its own is found in the model, and named."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.words import TFLITE
from quant_accuracy.device import contract, parameters, tflite_inputs, tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.device.parameters import Parameter
from quant_accuracy.quantization.configuration import Configuration, OpRule, ParamRule
from quant_accuracy.quantization.records import Settings
from tests.support import integer_networks
from tests.support.integer_networks import Layers
from tests.support.lanes import TENSORFLOW_1


def _found(folder: Path, body: Callable[[tf.Tensor, Layers], None]) -> Dict[str, Parameter]:
    contract.of(TFLITE).build(integer_networks.job(folder, body, ["end"]))
    return {item.tensor: item for item in parameters.read(folder)}


def _recompared(job: Job, contents: tflite_tensors.Contents) -> List[Parameter]:
    return parameters.compare(contents, job.quantization, tflite_inputs.read(job.folder))


def test_every_encoding_is_accounted_for_once(branches: Job) -> None:
    found = parameters.read(branches.folder)

    enabled = {q.tensor for q in branches.quantization.enabled()}
    assert enabled <= {item.tensor for item in found}
    assert len({item.tensor for item in found}) == len(found)
    assert parameters.counts(found)["bias"] == 5
    assert "changed" not in parameters.counts(found)
    assert "absent" not in parameters.counts(found)


def test_a_range_that_was_changed_in_the_model_alone_is_named_with_its_factor(branches: Job) -> None:
    contents = tflite_tensors.read(branches.folder / "model.tflite")
    (planted,) = [tensor for tensor in contents.tensors if tensor.name.split(";")[0] == "added"]
    other = replace(planted, scales=(planted.scales[0] * 1.25,))
    tensors = [other if tensor.index == planted.index else tensor for tensor in contents.tensors]

    found = _recompared(branches, replace(contents, tensors=tensors))

    (changed,) = [item for item in found if item.kind == "changed"]
    assert changed.tensor == "added:0"
    assert changed.ratio() == pytest.approx(1.25, rel=1e-5)
    assert "tflite: added:0 (ADD, step x 1.25): has another range than its encoding" in parameters.notes(
        "tflite", found)


def test_the_range_of_a_sigmoid_is_that_of_its_kernel(tmp_path: Path) -> None:
    found = _found(tmp_path, lambda start, layers: tf.sigmoid(layers.conv("a", start, 4), name="end"))

    assert found["end:0"].kind == "fixed"
    assert found["end:0"].scale == 1 / 256


def test_a_pooled_tensor_keeps_the_range_that_it_had(tmp_path: Path) -> None:
    def body(start: tf.Tensor, layers: Layers) -> None:
        pooled = tf.nn.avg_pool2d(tf.nn.relu(layers.conv("a", start, 4)), 2, 2, "SAME", name="pooled")
        tf.nn.relu(layers.conv("b", pooled, 4), name="end")

    found = _found(tmp_path, body)

    assert found["pooled:0"].kind == "moved"
    assert found["pooled:0"].ratio() > 1.1
    assert [line for line in parameters.notes("tflite", list(found.values())) if line.startswith("tflite: pooled:0")]


def test_integers_of_two_grids_taken_for_one_are_named(tmp_path: Path) -> None:
    found = _found(tmp_path, lambda start, layers: tf.maximum(layers.conv("a", start, 4), layers.conv("b", start, 4),
                                                              name="end"))
    if TENSORFLOW_1:
        # Its converter leaves the grids as they are; later ones give all three the same.
        assert found["end:0"].kind == "unscaled"
        assert "does not rescale" in parameters.notes("tflite", list(found.values()))[0]
    else:
        assert "unscaled" not in {item.kind for item in found.values()}


def test_a_constant_without_an_encoding_has_a_range_that_was_made_up(branches: Job) -> None:
    found = {item.tensor: item for item in parameters.read(branches.folder)}

    assert found["mul/x"].kind == "invented"
    assert found["mul/x"].wanted_scale is None


def test_an_input_whose_zero_lies_between_two_pixels_is_told(branches: Job, tmp_path: Path) -> None:
    lines = parameters.notes("tflite", parameters.read(branches.folder))
    assert "tflite: the input's zero is the pixel 128, and 127.5 in the simulation: every pixel is moved by that " \
           "much" in lines

    contract.of(TFLITE).build(integer_networks.job(tmp_path, preprocess=lambda images: (images - 128.0) / 64.0))

    assert "input" not in parameters.counts(parameters.read(tmp_path))


@pytest.mark.parametrize("strict", [False, True])
def test_symmetric_ranges_are_taken_as_they_are(strict: bool, tmp_path: Path) -> None:
    configuration = Configuration(ops=OpRule(output=True, symmetric=True), strict=strict, unsigned=not strict,
                                  all_params=ParamRule(quantized=True, symmetric=True))
    job = integer_networks.job(tmp_path, integer_networks.one_convolution, ["end"],
                               Settings(configuration=configuration))
    contract.of(TFLITE).build(job)

    assert parameters.counts(parameters.read(tmp_path)) == {"input": 1, "same": 2, "bias": 1}


def test_a_quantizer_that_the_model_lacks_is_named(branches: Job) -> None:
    contents = tflite_tensors.read(branches.folder / "model.tflite")
    tensors = [replace(tensor, name="fused") if tensor.name.split(";")[0] == "added" else tensor
               for tensor in contents.tensors]

    found = _recompared(branches, replace(contents, tensors=tensors))

    assert [item.tensor for item in found if item.kind == "absent"] == ["added:0"]
    assert "tflite: added:0: is quantized in the simulation and not in the integer model" in parameters.notes(
        "tflite", found)


def test_a_damaged_file_is_named_and_a_missing_one_says_nothing(tmp_path: Path) -> None:
    assert parameters.read(tmp_path) == ()

    (tmp_path / "parameters.json").write_text("[1]")
    with pytest.raises(StorageError, match="parameters.json"):
        parameters.read(tmp_path)


def test_a_bias_has_steps_of_input_times_weights(one_convolution: Job) -> None:
    found = parameters.read(one_convolution.folder)

    (bias,) = [item for item in found if item.kind == "bias"]
    taken, weights = (next(item for item in found if item.tensor == name) for name in ("start", "Const:0"))
    assert bias.scale == pytest.approx((taken.scale or 0) * (weights.scale or 0), rel=1e-6)
