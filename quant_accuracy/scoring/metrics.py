"""The vocabulary of scoring: COCO's figures."""

from dataclasses import dataclass
from typing import Mapping, Optional

from quant_accuracy.base.documents import Section

# COCO's 12 figures, in the order of COCOeval.stats.
FIGURES = ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
           "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")


@dataclass(frozen=True)
class Metrics:
    """COCO's figures for one variant.

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
