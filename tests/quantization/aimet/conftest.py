"""The demo, built and run by the real AIMET once."""

from pathlib import Path
from typing import Any, List, Sequence

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet
from quant_accuracy.quantization.records import Quantization
from quant_accuracy.settings.card import DataPaths, ModelCard


@pytest.fixture(scope="session")
def calibration(demo: DataPaths) -> List[np.ndarray]:
    return images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 2, 300, 300)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: Any) -> Path:
    return Path(tmp_path_factory.mktemp("aimet"))


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest, demo: DataPaths, demo_card: ModelCard, folder: Path) -> Quantization:
    """The demo, simulated by the real AIMET in `folder`."""
    if aimet.installed() is None:
        pytest.skip(f"AIMET is not installed (wheels: {aimet.WHEELS})")
    # Nothing is built where there is no AIMET.
    artifacts: Artifacts = request.getfixturevalue("demo_artifacts")
    calibration: Sequence[np.ndarray] = request.getfixturevalue("calibration")
    network = Network.of(artifacts.graph(FLOAT), demo_card.graph)
    return aimet.build(demo.checkpoint, network, demo_card.graph, demo_card.quantization, None, calibration, folder,
                       True)


@pytest.fixture(scope="session")
def outputs(built: Quantization, demo_card: ModelCard, calibration: Sequence[np.ndarray],
            folder: Path) -> Sequence[np.ndarray]:
    with aimet.open_network(folder, demo_card.graph) as run:
        return run(calibration[0])
