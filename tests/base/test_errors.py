"""What errors say."""

import json
from pathlib import Path

import pytest

from quant_accuracy.base.errors import (
    ConfigurationError,
    QuantAccuracyError,
    StorageError,
)
from quant_accuracy.quantization import configuration, encodings_file


def test_errors_do_not_quote_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(b'{"version": "\xff' + b"x" * 100000)
    with pytest.raises(StorageError, match="--quantsim-output-dir") as caught:
        encodings_file.read(path)
    assert len(str(caught.value)) < 500
    path.write_text(json.dumps({"defaults": {}, "params": {}, "op_type": {"x" * 100000: {}}, "supergroups": [],
                                "model_input": {}, "model_output": {}}))
    with pytest.raises(ConfigurationError) as unknown:
        configuration.load(path)
    assert len(str(unknown.value)) < 500
    assert str(QuantAccuracyError("a" * 9999 + "; do this")).endswith("; do this")
