"""The plot of differences over the depth of a network."""

from typing import Any, Dict, List
from xml.etree import ElementTree

from quant_accuracy.reporting.page import depth_plot, drawing
from tests.support import report_documents


def _drawn(depth: Dict[str, Any]) -> drawing.Plot:
    with drawing.own_settings():
        found = depth_plot.draw(depth)
    assert found is not None
    return found


def _texts(plot: drawing.Plot) -> List[str]:
    return [str(text.text) for text in ElementTree.fromstring(plot.svg).iter("text")]


def test_it_numbers_the_ops_that_are_not_healthy_and_says_which_is_worst() -> None:
    plot = _drawn(report_documents.depth(7, 3))

    assert {"#7", "#3"} <= set(_texts(plot))
    assert plot.summary == ("Worst local difference: #7 bias_value_7:0 of block_7/Conv2D, 2.25 steps; accumulated: at "
                            "most 4.50 steps, at #29 bias_value_29:0 of block_29/Conv2D.")
    for colour in (depth_plot.LOCAL, depth_plot.ACCUMULATED, drawing.MARK):
        assert f"var(--{colour})" in plot.svg


def test_a_healthy_model_has_a_plot_too_and_one_that_is_the_simulation_has_none() -> None:
    healthy = report_documents.depth()
    nothing = {"most": 0.0, "mean": 0.0, "rms": 0.0, "shift": 0.0, "beyond": 0.0}
    same = {**healthy, "ops": [{**op, "local": nothing, "accumulated": nothing} for op in healthy["ops"]]}

    assert _drawn(healthy).summary.startswith("No op is unhealthy; ")
    assert depth_plot.draw(same) is None
    assert depth_plot.draw({**healthy, "ops": []}) is None


def test_a_single_op_can_be_drawn() -> None:
    assert "#0" in _texts(_drawn(report_documents.depth(0, ops=1)))
