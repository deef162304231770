"""Precision over score of all variants, as a plot; imports matplotlib."""

from typing import Any, Mapping, Optional

from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import drawing
from quant_accuracy.reporting.page.drawing import Plot, Sheet


def draw(calibration: Mapping[str, Mapping[str, Any]]) -> Optional[Plot]:
    """The share of right detections over their mean score, by tenth of the scores; None without any detection.

    Args:
        calibration: What `parts.calibration` has of each variant.
    """
    if all(of_variant["error"] is None for of_variant in calibration.values()):
        return None
    sheet = Sheet(400, 292)
    axes = sheet.unit_axes("score", "precision")
    sheet.line(axes, (0.0, 1.0), (0.0, 1.0), drawing.SOFT, 1.0, "--")
    for variant, found in calibration.items():
        known = [pair for pair in zip(found["scores"], found["precisions"]) if None not in pair]
        if known:
            scores, precisions = zip(*known)
            sheet.line(axes, scores, precisions, variant)
            sheet.dots(axes, scores, precisions, variant)
    title = "Calibration of scores: precision over score at IoU 0.50"
    errors = ", ".join(f"{variant} {number(found['error'])}" for variant, found in calibration.items())
    summary = f"Expected calibration error (Küppers et al. 2020): {errors}."
    return Plot(title, summary, sheet.svg(f"{title}. {summary}"))
