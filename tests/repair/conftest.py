"""The network that the real AIMET equalized, loaded once."""

import pytest
from _pytest.tmpdir import TempPathFactory

from benchmarks import fidelity
from benchmarks.fidelity import Reference


@pytest.fixture(scope="package")
def reference(tmp_path_factory: TempPathFactory) -> Reference:
    """The float graph, and with batch norms folded."""
    return fidelity.reference(tmp_path_factory.mktemp("reference"))
