"""Precision over score, as a plot."""

from quant_accuracy.reporting.page import calibration_plot, drawing
from tests.support.report_documents import document


def test_both_variants_are_drawn_and_their_errors_told() -> None:
    with drawing.own_settings():
        plot = calibration_plot.draw(document()["calibration"])

    assert plot is not None
    assert "float 0.0600, quantized 0.1100" in plot.summary
    assert "var(--float)" in plot.svg
    assert "var(--quantized)" in plot.svg


def test_without_detections_there_is_no_plot() -> None:
    nothing = {"counts": [0] * 10, "scores": [None] * 10, "precisions": [None] * 10, "error": None}

    assert calibration_plot.draw({"float": nothing, "quantized": nothing}) is None
