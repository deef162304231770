"""The vocabulary of scoring: COCO's figures."""

from dataclasses import dataclass
from typing import Mapping, Optional

from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import DataError

# COCO's 12 figures, in the order of COCOeval.stats.
FIGURES = ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
           "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")


class _Figure:
    """One of COCO's figures as an attribute; reading one for which there is no ground truth is an error."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, metrics: "Metrics", owner: type) -> float:
        value = metrics.figures[self._name]
        if value is None:
            raise DataError(f"{self._name}: the evaluated images hold no ground truth for it; evaluate more shards, or "
                            f"see with figures['{self._name}'] whether there is any")
        return value


@dataclass(frozen=True)
class Metrics:
    """COCO's figures for one variant, each an attribute too: `metrics.mAP`, `metrics.AP_small`.

    Attributes:
        figures: The 12 figures by name, 0..1; None where there is no ground truth to judge by.
        per_class: AP (IoU 0.50:0.95, all areas, 100 detections) by category name; None without ground truth.
        images: Number of evaluated images.
        detections: Number of detections.
    """

    figures: Mapping[str, Optional[float]]
    per_class: Mapping[str, Optional[float]]
    images: int
    detections: int

    mAP, AP50, AP75 = _Figure(), _Figure(), _Figure()  # noqa: N815
    AP_small, AP_medium, AP_large = _Figure(), _Figure(), _Figure()
    AR1, AR10, AR100 = _Figure(), _Figure(), _Figure()
    AR_small, AR_medium, AR_large = _Figure(), _Figure(), _Figure()


def read(section: Section) -> Metrics:
    """The metrics that a document holds.

    Raises:
        ConfigurationError: A key is missing or unknown, or a value has another form.
    """
    section.only("figures", "per_class", "images", "detections")
    figures, classes = section.section("figures").only(*FIGURES), section.section("per_class")
    return Metrics({name: figures.known_real(name, 0, 1) for name in FIGURES},
                   {name: classes.known_real(name, 0, 1) for name in classes.items()},
                   section.number("images", 0, 10 ** 9), section.number("detections", 0, 10 ** 12))
