"""From images to what an integer model takes."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.device import contract, tflite_inputs, tflite_interpreter, tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Settings
from tests.support import integer_networks
from tests.support.integer_networks import Layers


def _body(start: tf.Tensor, layers: Layers) -> None:
    tf.nn.relu6(layers.conv("a", tf.multiply(start, 1.0, name="begin"), 6), name="end")


def _quantized_input(folder: Path) -> Job:
    """A network whose input is more than scaled pixels, and has a quantizer."""
    means = np.array([10.0, 100.0, 200.0], np.float32)
    return integer_networks.job(folder, _body, ["end"], Settings(configuration=Configuration(model_input=True)),
                                lambda images: (images - means) / 60.0, start="begin")


def test_pixels_that_are_only_scaled_are_the_input_itself(branches: Job) -> None:
    (item,) = tflite_inputs.read(branches.folder)
    image = np.concatenate(integer_networks.images(2))

    with tflite_inputs.open_inputs(branches.folder) as inputs_of:
        (found,) = inputs_of(image)

    assert item.pixels
    assert [item.mean, item.std] == pytest.approx([127.5, 127.5])
    assert item.shape == (1, 16, 16, 3)
    np.testing.assert_array_equal(found, image)


def test_a_quantized_input_is_put_on_the_grid_of_its_quantizer(tmp_path: Path) -> None:
    job = _quantized_input(tmp_path)
    (encoding,) = job.quantization.encodings["begin:0"]
    contract.of("tflite").build(job)
    contents = tflite_tensors.read(tmp_path / "model.tflite")
    given = contents.tensors[contents.inputs[0]]
    images = np.concatenate(integer_networks.images(2))

    with tflite_inputs.open_inputs(tmp_path) as inputs_of, tflite_interpreter.open_network(tmp_path) as run:
        (found,) = inputs_of(images)
        assert run(images)[0].shape == (2, 16, 16, 6)

    assert given.scales[0] == pytest.approx(encoding.scale, rel=1e-6)
    assert given.zero_points == (-encoding.offset,)
    values = (images.astype(np.float64) - [10, 100, 200]) / 60
    wanted = np.clip(np.round(values / encoding.scale) - encoding.offset, 0, 255)
    assert np.abs(found.astype(np.float64) - wanted).max() <= 1
    assert (found == wanted).mean() > 0.99


def test_an_input_that_is_on_no_grid_is_refused_with_the_remedy(tmp_path: Path) -> None:
    means = np.array([10.0, 100.0, 200.0], np.float32)
    job = integer_networks.job(tmp_path, preprocess=lambda images: (images - means) / 60.0)

    with pytest.raises(ConfigurationError, match="start:0 has no quantizer, .*model_input: is_input_quantized"):
        tflite_inputs.of_job(job)


def test_pixels_on_a_curve_are_refused(tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, preprocess=lambda images: tf.sqrt(images))

    with pytest.raises(ConfigurationError, match="has no quantizer"):
        tflite_inputs.of_job(job)


def test_a_damaged_file_of_inputs_is_named(tmp_path: Path) -> None:
    (tmp_path / "model_inputs.json").write_text("{}")

    with pytest.raises(StorageError, match="model_inputs.json"), tflite_inputs.open_inputs(tmp_path):
        pass
