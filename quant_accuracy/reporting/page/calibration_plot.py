"""Precision over score of both variants, as a plot; imports matplotlib."""

from typing import Any, Mapping, Optional

from quant_accuracy.base.words import VARIANTS
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import drawing
from quant_accuracy.reporting.page.drawing import Plot, Sheet

_WIDTH = 400
_TICKS = {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"}


def draw(calibration: Mapping[str, Any]) -> Optional[Plot]:
    """The share of right detections over their mean score, by tenth of the scores; None without any detection."""
    if all(calibration[side]["error"] is None for side in VARIANTS):
        return None
    sheet = Sheet(_WIDTH, 292)
    axes = sheet.axes(44, 24, _WIDTH - 14, 252, (0, 1), (0, 1))
    sheet.levels(axes, _TICKS)
    sheet.columns(axes, _TICKS)
    sheet.write(_WIDTH / 2 + 15, 284, "score", "middle")
    sheet.write(0, 6, "precision")
    sheet.line(axes, (0.0, 1.0), (0.0, 1.0), drawing.SOFT, 1.0, "--")
    for side in VARIANTS:
        known = [pair for pair in zip(calibration[side]["scores"], calibration[side]["precisions"])
                 if None not in pair]
        if known:
            scores, precisions = zip(*known)
            sheet.line(axes, scores, precisions, side)
            sheet.dots(axes, scores, precisions, side)
    title = "Calibration of scores: precision over score at IoU 0.50"
    errors = ", ".join(f"{side} {number(calibration[side]['error'])}" for side in VARIANTS)
    summary = f"Expected calibration error (Küppers et al. 2020): {errors}."
    return Plot(title, summary, sheet.svg(f"{title}. {summary}"))
