"""What errors say."""

import json
from pathlib import Path

import pytest

from quant_accuracy.base.errors import (
    ConfigurationError,
    QuantAccuracyError,
    StorageError,
    unexpected,
)
from quant_accuracy.quantization import configuration, encodings_file
from tests.support.places import ROOT


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


@pytest.mark.parametrize(("name", "remedy"), [
    ("object_detection", "`pip install --no-deps tf-object-detection==0.0.3`"),
    ("nets.mobilenet", "`pip install --no-deps tf-object-detection==0.0.3`"),
    ("yaml", "install quant_accuracy again, with everything it depends on"),
])
def test_a_package_that_is_missing_is_named_with_what_installs_it(name: str, remedy: str) -> None:
    error = unexpected(ModuleNotFoundError(f"No module named {name!r}", name=name))

    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"No module named {name!r}; ")
    assert str(error).endswith(remedy)


def test_the_version_that_is_named_is_the_one_that_is_tested() -> None:
    error = unexpected(ModuleNotFoundError("No module named 'object_detection'", name="object_detection"))

    named = str(error).rstrip("`").split()[-1]
    assert f"\n{named} " in (ROOT / "requirements" / "tensorflow1.lock").read_text()
