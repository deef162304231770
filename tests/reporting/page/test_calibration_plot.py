"""Precision over score, as a plot."""

from quant_accuracy.reporting.page import calibration_plot, drawing
from tests.support.report_documents import calibration


def test_all_variants_are_drawn_and_their_errors_told() -> None:
    given = {"float": calibration(0.9, 0.06), "quantized": calibration(0.8, 0.11), "device": calibration(0.7, 0.14)}
    with drawing.own_settings():
        plot = calibration_plot.draw(given)

    assert plot is not None
    assert "float 0.0600, quantized 0.1100, device 0.1400" in plot.summary
    assert all(f"var(--{variant})" in plot.svg for variant in given)


def test_without_detections_there_is_no_plot() -> None:
    nothing = {"counts": [0] * 10, "scores": [None] * 10, "precisions": [None] * 10, "error": None}

    assert calibration_plot.draw({"float": nothing, "quantized": nothing}) is None
