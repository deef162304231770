"""COCO's figures: read from a document, and as attributes."""

from typing import Any, Dict

import pytest

from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.scoring import metrics
from quant_accuracy.scoring.metrics import FIGURES, Metrics

_DOCUMENT: Dict[str, Any] = {"figures": {**dict.fromkeys(FIGURES, 0.5), "AP_small": None},
                             "per_class": {"car": 0.5, "dog": None}, "images": 40, "detections": 4000}


def _read(**changes: Any) -> Metrics:
    return metrics.read(Section("figures.json", "", {**_DOCUMENT, **changes}, "the file"))


def test_metrics_are_read_as_they_stand() -> None:
    assert _read() == Metrics(_DOCUMENT["figures"], _DOCUMENT["per_class"], 40, 4000)


@pytest.mark.parametrize(("change", "message"), [
    ({"figures": {**_DOCUMENT["figures"], "AP60": 0.5}}, "AP60 is unknown"),
    ({"per_class": {"car": 1.5}}, "per_class.car is 1.5; give a number from 0 to 1"), ({"images": -1}, "images is -1"),
    ({"detections": None}, "detections is missing"), ({"surprise": 1}, "surprise is unknown"),
])
def test_metrics_of_another_form_are_named_by_their_place(change: Dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"figures.json: .*{message}"):
        _read(**change)


def _metrics(**figures: float) -> Metrics:
    return Metrics({name: figures.get(name) for name in FIGURES}, {}, 1, 1)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_an_attribute(name: str) -> None:
    assert getattr(_metrics(**{name: 0.25}), name) == 0.25


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_without_ground_truth_is_an_error_and_no_number(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: the evaluated images hold no ground truth for it; evaluate more"):
        getattr(_metrics(), name)
