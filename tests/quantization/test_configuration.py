"""AIMET's configuration files, however they are written, and what is said of wrong ones."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.configuration import Configuration
from tests.support.configurations import DEFAULT, DEFAULT_ENABLED, enabled, loaded, place, written


def test_without_a_file_the_configuration_is_aimets_default(tmp_path: Path, network: tf.GraphDef) -> None:
    assert loaded(tmp_path) == Configuration()
    assert enabled(place(network)) == DEFAULT_ENABLED


def test_booleans_may_be_texts_or_real_ones(tmp_path: Path) -> None:
    text = json.dumps(DEFAULT).replace('"True"', "true").replace('"False"', "false")

    assert configuration.load(written(tmp_path, json.loads(text))) == Configuration()


@pytest.mark.parametrize(("changes", "message"), [
    ({"op_types": {}}, "op_types is unknown; did you mean 'op_type'"),
    ({"op_type": {"Convolution": {}}}, "op_type.Convolution is unknown; did you mean 'Conv"),
    ({"supergroups": [{"op_list": ["Conv", "ReLU"]}]}, "unknown op type 'ReLU'; did you mean 'Relu'"),
    ({"supergroups": [{"op_list": ["Conv"]}]}, r"supergroups\[0\].op_list is \['Conv'\]"),
    ({"supergroups": {}}, "supergroups is {}"),
    ({"params": {"bias": {"is_quantised": "True"}}}, "did you mean 'is_quantized'"),
    ({"params": {"bias": {"is_quantized": "yes"}}}, "params.bias.is_quantized is 'yes'"),
    ({"model_output": None}, "model_output is missing"),
    ({"defaults": []}, "defaults is not a mapping"),
])
def test_a_wrong_configuration_says_where_and_what(tmp_path: Path, changes: Dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        loaded(tmp_path, **changes)


def test_an_unreadable_configuration_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"defaults": ')

    for name, message in (("config.json", "not readable as JSON .*line 1.*repair it there"),
                          ("missing.json", "cannot be read .No such file.*correct --quantsim-config, or config in")):
        with pytest.raises(ConfigurationError, match=f"{name}: {message}"):
            configuration.load(tmp_path / name)


_SECTIONS: Dict[str, Any] = {"defaults": {"ops": {}, "params": {}}, "params": {}, "op_type": {}, "supergroups": [],
                             "model_input": {}, "model_output": {}}


def _config(**changes: Any) -> str:
    return json.dumps({name: value for name, value in {**_SECTIONS, **changes}.items() if value is not None})


@pytest.mark.parametrize("value", ["True", "true", True, " TRUE "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_configuration_is_read_as_python_and_javascript_write_it(value: Any, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(_config(defaults={"ops": {}, "params": {}, "strict_symmetric": value}).encode(encoding))

    assert configuration.load(path).strict
