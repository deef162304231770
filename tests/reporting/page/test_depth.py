"""The section on where simulation and integer model part: its tables."""

import pytest

from quant_accuracy.reporting.page import depth
from tests.support import report_documents


def test_the_ops_that_are_not_healthy_stand_worst_first_with_their_causes() -> None:
    shown = depth.view(report_documents.depth(7, 3))
    rows = [[cell.text for cell in row] for row in shown["worst"].rows]

    assert [row[1] for row in rows] == ["7", "3"]
    assert rows[0] == ["bias_value_7:0", "7", "CONV_2D", "7.00", "1.50", "3.1 %", "1.20",
                       "range differs: 0 .. 4 in the model, 0 .. 6 in the simulation"]
    assert shown["worst"].rows[0][0].small == "of block_7/Conv2D"


def test_all_ops_stand_in_the_networks_order() -> None:
    shown = depth.view(report_documents.depth(7, 3))

    assert [row[1].text for row in shown["all"].rows] == [str(place) for place in range(30)]
    assert shown["all"].sortable


def test_markdown_names_the_first_few() -> None:
    assert len(depth.view(report_documents.depth(*range(25)))["worst_few"].rows) == depth.FEW


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.2e-5, "0"), (0.0042, "0.004"), (0.5, "0.50"),
                                             (36.0, "36.00")])
def test_steps_are_as_fine_as_float32_leaves_them(value: float, text: str) -> None:
    assert depth.steps(value) == text
