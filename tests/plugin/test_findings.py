"""What a process keeps of a model for the summary."""

from types import SimpleNamespace
from typing import Any

import pytest

from quant_accuracy.detection.run import Detected, Speed
from quant_accuracy.plugin import findings


def _detected(config: Any, model: str, *images: int) -> None:
    findings.of(config, model).detections = {
        variant: Detected([], Speed(count, 1.0) if count else None)
        for variant, count in zip(("float", "quantized"), images)}


@pytest.fixture
def config() -> Any:
    """As much of pytest's configuration as findings are kept in."""
    return SimpleNamespace(stash=pytest.Stash())


def test_images_that_were_run_count_once_when_tests_come_back_to_a_model(config: Any) -> None:
    _detected(config, "one", 20, 15)
    findings.close(config, "one")
    _detected(config, "one", 0, 0)

    assert findings.close_all(config)["one"]["images"] == 20


def test_a_model_of_which_only_the_files_were_looked_at_has_no_images(config: Any) -> None:
    findings.of(config, "one").baseline = ["baselines/one/figures.json"]

    found = findings.close_all(config)["one"]

    assert found["images"] is None
    assert found["baseline"] == ["baselines/one/figures.json"]


def test_a_model_is_closed_once(config: Any) -> None:
    _detected(config, "one", 20, 20)
    first = dict(findings.close_all(config)["one"])

    assert findings.close_all(config)["one"] == first
