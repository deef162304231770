"""The integer model that options and cards choose, and what is refused before anything is made."""

import importlib.util
from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO, OPENVINO_INT8, TFLITE
from quant_accuracy.settings import card, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.values import Values


def _card(folder: Path, more: str = "") -> str:
    path = folder / "mine.yaml"
    path.write_text(f"base: {options.DEMO_CARD}\nname: mine\n{more}")
    return str(path)


def _chosen(folder: Path, more: str = "", **typed: Any) -> Optional[str]:
    (found,) = requests.chosen_cards(Values({"model": [_card(folder, more)], **typed}))
    return found.device


@pytest.mark.parametrize(("said", "typed", "chosen"), [
    ("", {}, None), ("device: tflite", {}, TFLITE), ("", {"device": TFLITE}, TFLITE),
    ("device: tflite", {"device": OPENVINO_INT8}, OPENVINO_INT8),
    ("device: tflite", {"device_detections": Path("found.json")}, None)])
def test_an_option_overrules_the_card_and_without_either_there_is_none(
        said: str, typed: Dict[str, Any], chosen: Optional[str], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: found("json") if name == OPENVINO
                        else found(name, *more))

    assert _chosen(tmp_path, said, **typed) == chosen


def test_two_sources_are_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--device and --device-outputs: the device variant has one source"):
        _chosen(tmp_path, device=TFLITE, device_outputs=Path("output"))


def test_a_card_that_names_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="device is 'snpe'; use tflite or openvino-int8, or leave it out"):
        card.load(_card(tmp_path, "device: snpe"))


@pytest.mark.parametrize(("more", "typed", "named"), [
    ("", {"default_param_bw": 4}, r"param_bitwidth \(--default-param-bw\) is 4"),
    ("", {"default_output_bw": 16}, r"output_bitwidth \(--default-output-bw\) is 16"),
    ("quantization: {overrides: {'concat:0': {bitwidth: 16}}}", {}, "overrides gives 'concat:0' 16"),
    ("input: {height: null, width: null, resize: false}", {}, "input: {resize: false}"),
])
def test_what_no_integer_model_expresses_is_refused_with_the_setting(more: str, typed: Dict[str, Any], named: str,
                                                                     tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"mine: --device tflite: .*{named}"):
        _chosen(tmp_path, more, device=TFLITE, **typed)


def test_channels_are_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"defaults": {"ops": {"is_output_quantized": "True"}, "params": {"is_quantized": "True"}, '
                    '"per_channel_quantization": "True"}, "params": {}, "op_type": {}, "supergroups": [], '
                    '"model_input": {}, "model_output": {}}')

    with pytest.raises(ConfigurationError, match="--device tflite: .*per_channel_quantization"):
        _chosen(tmp_path, device=TFLITE, quantsim_config=path)


def test_a_runtime_that_is_not_installed_is_refused_with_the_command_that_installs_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *more: None if name == OPENVINO else found(name, *more))

    with pytest.raises(ConfigurationError, match="--device openvino-int8: OpenVINO is not installed; install it with"):
        _chosen(tmp_path, device=OPENVINO_INT8)
