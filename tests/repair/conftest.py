"""The network that AIMET's numbers are of."""

import pytest

from benchmarks import fidelity


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> fidelity.Reference:
    return fidelity.reference(tmp_path_factory.mktemp("reference"))
