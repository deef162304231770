"""Where the device variant comes from: one source, of one model."""

from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import device_source
from quant_accuracy.settings.values import Values

_OUTPUTS, _DETECTIONS = {"device_outputs": Path("output")}, {"device_detections": Path("detections.json")}


@pytest.mark.parametrize(("typed", "said"), [
    ({"device": "tflite", **_OUTPUTS}, "--device and --device-outputs: the device variant has one source"),
    ({**_OUTPUTS, **_DETECTIONS}, "--device-outputs and --device-detections: the device variant has one source"),
    ({"model": ["one", "two"], **_DETECTIONS}, "--device-detections: .* of one model, and 2 are named"),
])
def test_two_sources_or_one_of_several_models_are_refused_by_their_options(typed: Dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        device_source.asked(Values(typed))


def test_an_integer_model_may_be_made_of_several_models_and_a_source_may_be_set_elsewhere() -> None:
    assert device_source.asked(Values({"device": "tflite", "model": ["one", "two"]})) == ["--device"]
    assert device_source.asked(Values({}, _OUTPUTS)) == ["--device-outputs"]
    assert device_source.asked(Values({})) == []
