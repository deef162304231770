"""Integer models that the tests of this room share."""

from pathlib import Path

import pytest

from quant_accuracy.base.words import OPENVINO_INT8, TFLITE
from quant_accuracy.device import contract
from quant_accuracy.device.job import Job
from tests.support import integer_networks


@pytest.fixture(scope="session")
def one_convolution(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A convolution with bias and Relu6, and its integer model."""
    job = integer_networks.job(_folder(tmp_path_factory), integer_networks.one_convolution, ["end"])
    contract.of(TFLITE).build(job)
    return job


@pytest.fixture(scope="session")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A network of nine ops, and its integer model."""
    job = integer_networks.job(_folder(tmp_path_factory))
    contract.of(TFLITE).build(job)
    return job


@pytest.fixture(scope="session")
def int8_job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The same network as OpenVINO's integer model."""
    job = integer_networks.job(_folder(tmp_path_factory))
    contract.of(OPENVINO_INT8).build(job)
    return job


def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("integer")
