"""What the tests of this room share."""

from pathlib import Path
from typing import Callable

import pytest

from quant_accuracy.demo import ready

_CONFIG = ready.PIPELINE_CONFIG


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str], Path]:
    """The demo's pipeline.config with something replaced."""

    def make(old: str, new: str) -> Path:
        text = _CONFIG.read_text()
        assert text.count(old) >= 1
        path = tmp_path / "pipeline.config"
        path.write_text(text.replace(old, new, 1))
        return path

    return make
