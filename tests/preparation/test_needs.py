"""What a Python without TensorFlow 1.15 says of preparing a checkpoint."""

import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.preparation import needs
from tests.support import suite

_EXPORT = ["-m", "quant_accuracy", "export-checkpoint", "--pipeline-config", "c", "--checkpoint", "p", "--output", "o"]


def test_a_python_of_tensorflow_115_is_none_too_new() -> None:
    needs.check("export-checkpoint", (3, 7))


@pytest.mark.parametrize("python", [(3, 10), (3, 13)])
def test_a_newer_python_is_told_where_it_can_be_done(monkeypatch: pytest.MonkeyPatch,
                                                     python: Tuple[int, int]) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", "./run")

    with pytest.raises(ConfigurationError, match=r"TensorFlow 1\.15.*`QUANT_ACCURACY_PYTHON=3\.7 \./run \.\.\.`"):
        needs.check("export-checkpoint", python)


@pytest.mark.skipif(sys.version_info < (3, 8), reason="this lane has TensorFlow 1.15")
@pytest.mark.parametrize("command", [_EXPORT, ["-m", "quant_accuracy.demo.train", "--work-dir", "w"]])
def test_in_a_newer_lane_one_line_says_so(tmp_path: Path, command: List[str]) -> None:
    done = subprocess.run([sys.executable, *command], cwd=str(tmp_path), capture_output=True, text=True,
                          env=suite.environment())

    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "needs object_detection under TensorFlow 1.15" in line]
    assert "Traceback" not in done.stderr
