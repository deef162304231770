"""The interpreter against integer arithmetic of numpy, and against the simulation."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import StorageError, UnsupportedError
from quant_accuracy.base.words import FLOAT, QUANTIZED, TFLITE
from quant_accuracy.device import contract, tflite_interpreter, tflite_tensors
from quant_accuracy.device.job import Job
from quant_accuracy.quantization import simulate
from quant_accuracy.settings.card import ModelCard
from tests.conftest import Run
from tests.support import integer_networks


def test_a_convolution_is_that_of_integer_arithmetic(one_convolution: Job) -> None:
    contents = tflite_tensors.read(one_convolution.folder / "model.tflite")
    (op,) = contents.ops
    taken, weights, bias, given = (contents.tensors[index] for index in (*op.inputs, *op.outputs))
    (image,) = integer_networks.images(1)
    kernel = np.frombuffer(weights.constant or b"", np.uint8).reshape(weights.shape).astype(np.int64)
    padded = np.full([18, 18, 3], taken.zero_points[0], np.int64)
    padded[1:-1, 1:-1] = image[0]
    windows = np.array([[padded[row:row + 3, column:column + 3] for column in range(16)] for row in range(16)])
    sums = np.einsum("yxhwc,ohwc->yxo", windows - taken.zero_points[0], kernel - weights.zero_points[0])
    sums += np.frombuffer(bias.constant or b"", np.int32)
    factor = np.float64(taken.scales[0]) * weights.scales[0] / given.scales[0]
    exact = sums * factor + given.zero_points[0]

    with tflite_interpreter.open_network(one_convolution.folder) as run:
        (values,) = run(image)

    steps = values[0] / np.float64(given.scales[0]) + given.zero_points[0]
    # The kernel rounds twice: to a fraction of 0.5 to 1, and after the shift that is left of the factor.
    tie = np.abs(exact - np.floor(exact) - 0.5) <= factor
    np.testing.assert_allclose(steps[~tie], np.clip(np.round(exact), 0, 255)[~tie], atol=1e-3)
    assert len(np.unique(np.round(steps))) > 100
    assert tie.mean() < 0.01


def test_a_convolution_is_within_a_step_of_the_simulation(one_convolution: Job, run_graph: Run) -> None:
    simulation = simulate.simulate(one_convolution.graph, one_convolution.quantization)
    (quantizer,) = [q for q in one_convolution.quantization.enabled() if q.tensor == "end:0"]
    (scale,) = [encoding.scale for encoding in one_convolution.quantization.encodings["end:0"]]
    image = np.concatenate(integer_networks.images(3))
    # TFLite has no half steps: zero is the pixel 128 there, and 127.5 in the simulation.
    feed = {"start:0": ((image.astype(np.float32) - 128) / 127.5).astype(np.float32)}

    (simulated,) = run_graph(simulation, [quantizer.name + ":0"], feed)
    with tflite_interpreter.open_network(one_convolution.folder) as run:
        (values,) = run(image)

    assert np.abs(values - simulated).max() < 1.01 * scale
    assert (np.abs(values - simulated) > 0.01 * scale).mean() < 0.01


def test_many_threads_get_what_one_gets_image_by_image(branches: Job) -> None:
    images = integer_networks.images(8)
    with tflite_interpreter.open_network(branches.folder) as run, ThreadPoolExecutor(4) as pool:
        alone = [run(image) for image in images]
        together = list(pool.map(run, images * 4))
        at_once = run(np.concatenate(images))

    for index, found in enumerate(together):
        for one, other in zip(found, alone[index % len(images)]):
            np.testing.assert_array_equal(one, other)
    for position, output in enumerate(at_once):
        np.testing.assert_array_equal(output, np.concatenate([found[position] for found in alone]))


def test_the_demos_outputs_come_in_the_order_of_its_output_ops_and_near_the_simulations(
        demo_artifacts: Artifacts, demo_card: ModelCard, image: np.ndarray, run_graph: Run, tmp_path: Path) -> None:
    job = Job(demo_artifacts.graph(FLOAT), demo_card.graph, demo_artifacts.quantization, 300, 300, tmp_path)
    contract.of(TFLITE).build(job)
    fetches = simulate.network_outputs(demo_card.graph.output_ops, demo_artifacts.quantization)

    simulated = run_graph(demo_artifacts.graph(QUANTIZED), fetches, {"image_tensor:0": image})
    with tflite_interpreter.open_network(tmp_path) as run:
        values = run(image)

    for found, wanted in zip(values, simulated):
        assert found.shape == wanted.shape
        noise = 10 * np.log10((wanted ** 2).sum() / ((found - wanted) ** 2).sum())
        assert noise > 10


def test_a_model_that_is_missing_or_damaged_says_so(branches: Job, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="model.tflite: not readable"), tflite_interpreter.open_network(tmp_path):
        pass
    with pytest.raises(UnsupportedError, match="does not take it"):
        tflite_interpreter.Model(b"no model at all")
