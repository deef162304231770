"""OpenVINO's integer kernels beside the simulation."""

import numpy as np
import pytest

from quant_accuracy.base.words import OPENVINO_INT8
from quant_accuracy.device import contract
from quant_accuracy.device.depth import compare, kinds
from quant_accuracy.device.depth.records import Depth
from quant_accuracy.device.job import Job
from quant_accuracy.quantization import simulate
from quant_accuracy.runtimes import openvino_runtime
from tests.support import integer_networks

pytestmark = pytest.mark.skipif(not openvino_runtime.installed(), reason="OpenVINO is not installed")


def test_ops_that_differ_are_those_whose_weights_stand_on_another_grid(int8_job: Job) -> None:
    simulation = simulate.simulate(int8_job.graph, int8_job.quantization)
    with kinds.open_model(OPENVINO_INT8, int8_job.folder, int8_job.names, simulation, int8_job.quantization) as model:
        depth = Depth(OPENVINO_INT8, "", 2, compare.compare(model, simulation, int8_job.names.image_input,
                                                            integer_networks.images(2)))
    by_tensor = {op.tensor: op for op in depth.ops}

    assert by_tensor["start:0"].healthy
    assert by_tensor["added:0"].healthy
    assert [op for op in depth.unhealthy() if "its weights stand on the grid" in op.causes[0]]
    assert all(op.causes for op in depth.unhealthy())


def test_heard_everywhere_the_network_gives_what_it_gives_otherwise(int8_job: Job) -> None:
    simulation = simulate.simulate(int8_job.graph, int8_job.quantization)
    image = integer_networks.images(1)[0]
    with kinds.open_model(OPENVINO_INT8, int8_job.folder, int8_job.names, simulation, int8_job.quantization) as model, \
            contract.of(OPENVINO_INT8).open_network(int8_job.folder) as network:
        whole, outputs = model.whole(image), network(image)

    np.testing.assert_allclose(whole["middle_quantized:0"], outputs[0], atol=1e-5)
