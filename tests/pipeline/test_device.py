"""The device variant of an integer model that is run here, on every executor, and where it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Dict

import numpy as np
import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import DEVICE, TFLITE, VARIANTS
from quant_accuracy.detection.run import Detected, Run
from quant_accuracy.pipeline import device, inference, provenance
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES
from quant_accuracy.settings.request import Request


@pytest.fixture(scope="module")
def with_device(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Prepared:
    """Three images of the demo, and its integer model."""
    return prepare(Request(replace(demo_card, device=TFLITE), demo, 1, "0", 3), cache)


def _elsewhere(prepared: Prepared, folder: Path, chosen: Choice, threads: int) -> Detected:
    """The device's detections made anew: with another executor, on so many threads."""
    request = replace(prepared.request, executor=chosen, threads=threads)
    return inference.detect(replace(prepared, request=request, cache=Cache(folder)), [Run(DEVICE)])[Run(DEVICE)]


def _same(one: Detected, other: Detected) -> bool:
    pairs = [(a, b) for (_, a), (_, b) in zip(one.parts, other.parts)]
    return all(np.array_equal(getattr(a, name), getattr(b, name))
               for a, b in pairs for name in ("image_ids", "boxes", "scores", "classes"))


def test_detections_are_the_same_on_any_number_of_threads_and_processes(with_device: Prepared, tmp_path: Path) -> None:
    alone = _elsewhere(with_device, tmp_path / "one", Choice(), 1)

    assert _same(alone, _elsewhere(with_device, tmp_path / "two", Choice(), 2))
    assert _same(alone, _elsewhere(with_device, tmp_path / "processes", Choice(PROCESSES, jobs=1), 1))


def test_there_is_a_run_of_a_device_only_where_there_is_an_integer_model(with_device: Prepared) -> None:
    assert device.runs(with_device.artifacts) == [Run(DEVICE)]
    assert device.runs(replace(with_device.artifacts, device=None)) == []


def test_provenance_names_the_model_and_is_what_it_was_without_one(with_device: Prepared) -> None:
    told: Dict[str, object] = provenance.of_prepared(with_device)
    without = provenance.of_prepared(replace(with_device, artifacts=replace(with_device.artifacts, device=None)))

    found = told.pop("device")
    assert isinstance(found, dict)
    assert found["kind"] == TFLITE
    assert len(found["model"]) == 64
    assert told == without


def test_notes_tell_what_the_converter_did_on_its_own(with_device: Prepared) -> None:
    assert any("72 biases have 32 bits" in line for line in device.notes(with_device))
    assert not device.notes(replace(with_device, artifacts=replace(with_device.artifacts, device=None)))


def test_other_variants_keep_their_detections_where_a_device_comes(with_device: Prepared) -> None:
    plain = replace(with_device, artifacts=replace(with_device.artifacts, device=None))
    runs = [Run(name) for name in VARIANTS]

    assert inference._paths_of(with_device, runs) == inference._paths_of(plain, runs)
