"""The integer model in the cache."""

from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.artifacts import device
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import TFLITE
from quant_accuracy.settings.card import ModelCard
from tests.support import rooms


def test_it_is_made_once_and_only_where_it_is_asked_for(demo_artifacts: Artifacts, demo_card: ModelCard,
                                                        cache: Cache) -> None:
    plain = device.with_model(demo_artifacts, demo_card, cache)
    made, again = (device.with_model(demo_artifacts, replace(demo_card, device=TFLITE), cache) for _ in range(2))

    assert plain.device is None
    assert made.device is not None
    assert made.device == again.device
    assert (made.device.folder / "model.tflite").is_file()
    assert made.device.identity.startswith("tflite of tensorflow")


def test_it_is_made_again_where_any_code_that_makes_it_is_another(
        demo_artifacts: Artifacts, demo_card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rooms.asked_of(monkeypatch, device)
    with pytest.raises(rooms.AskedError):
        device.with_model(demo_artifacts, replace(demo_card, device=TFLITE), Cache(tmp_path))

    made_of = rooms.of("quant_accuracy.device.tflite_model") | rooms.of("quant_accuracy.device.openvino_int8") \
        | rooms.of("quant_accuracy.device.parameters")
    assert "device" in made_of
    # What calibrates is in the name of the simulation.
    assert made_of - {"base"} <= {*asked(), "data"}
