"""Why a device differs, of the demo: measured once, kept, and told."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.words import TFLITE
from quant_accuracy.device.depth.records import INPUT
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from quant_accuracy.why import device_depth
from tests.support.report_documents import document, schema_errors

_IMAGES = 2


@pytest.fixture(scope="module")
def evaluation(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Evaluation:
    return evaluate(Request(replace(demo_card, device=TFLITE), demo, 1, "1", _IMAGES), cache)


def test_of_the_demo_every_op_is_healthy_and_its_input_lies_between_two_steps(evaluation: Evaluation) -> None:
    found = device_depth.of_evaluation(evaluation, most_images=1)

    assert found is not None
    assert [(op.type, op.place) for op in found.unhealthy()] == [(INPUT, 0)]
    assert len(found.ops) == 98
    assert max(op.local.beyond for op in found.ops) == 0
    assert found.left_out == []
    # Rounding that falls otherwise in a hundredth of the elements of each op piles up.
    assert found.ops[-2].accumulated.rms > 1.0
    assert schema_errors(document(device_depth=device_depth.as_document(found))) == []


def test_what_was_measured_is_kept_and_what_is_damaged_is_measured_again(evaluation: Evaluation,
                                                                         capsys: pytest.CaptureFixture[str]) -> None:
    before = device_depth.of_evaluation(evaluation, most_images=1)
    newest = _newest(evaluation)
    kept = newest.stat().st_mtime_ns

    assert device_depth.of_evaluation(evaluation, most_images=1) == before
    assert newest.stat().st_mtime_ns == kept
    # Another figure in the same form: nothing but the digest tells.
    newest.write_text(re.sub('"images": 1', '"images": 3', newest.read_text()))
    assert device_depth.of_evaluation(_in_another_process(evaluation), most_images=1) == before
    assert "damaged (depth.json has changed since it was written)" in capsys.readouterr().err


def test_what_was_measured_is_read_from_a_cache_that_cannot_be_written(evaluation: Evaluation,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    before = device_depth.of_evaluation(evaluation, most_images=1)

    def refuse(_cache: Cache, name: str) -> None:
        raise StorageError(f"{name}: the cache cannot be written")

    monkeypatch.setattr(Cache, "hold", refuse)

    assert device_depth.of_evaluation(_in_another_process(evaluation), most_images=1) == before


def _newest(evaluation: Evaluation) -> Path:
    return max((evaluation.prepared.cache.root / "depth").glob("*/depth.json"), key=lambda path: path.stat().st_mtime)


def _in_another_process(evaluation: Evaluation) -> Evaluation:
    """With a cache that has not looked at its entries yet."""
    return replace(evaluation, prepared=replace(evaluation.prepared, cache=Cache(evaluation.prepared.cache.root)))


def test_without_an_integer_model_nothing_is_told(evaluation: Evaluation) -> None:
    without = replace(evaluation, prepared=replace(evaluation.prepared, artifacts=replace(evaluation.artifacts,
                                                                                          device=None)))

    assert device_depth.of_evaluation(without) is None
    assert device_depth.told(without) == []


def test_what_cannot_be_compared_is_one_line(evaluation: Evaluation) -> None:
    assert evaluation.artifacts.device is not None
    gone = replace(evaluation.artifacts.device, folder=evaluation.artifacts.float_folder)
    broken = replace(evaluation, prepared=replace(evaluation.prepared, artifacts=replace(evaluation.artifacts,
                                                                                         device=gone)))
    (line,) = device_depth.told(broken)

    assert line.startswith("device: could not be compared op by op: ")
    assert "model.tflite" in line
