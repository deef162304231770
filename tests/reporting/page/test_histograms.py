"""How values within their ranges are drawn."""

import re

from quant_accuracy.reporting.page import evidence, histograms, quantizer_table
from tests.support.report_documents import distribution, document, why


def _svg(**changes: object) -> str:
    return histograms.draw(document(distributions=[distribution("conv/Relu6:0", **changes)]))["conv/Relu6:0"].svg


def test_the_range_lies_on_the_scale_of_the_values() -> None:
    # Values lie in -1 .. 3, the range of the quantizer is 0 .. 6: seven units are 300 wide.
    band, = re.findall(r'<rect x="([\d.]+)" y="0" width="([\d.]+)"', _svg())
    start, = re.findall(r'<path d="M([\d.]+) ', _svg())

    assert [float(number) for number in band] == [42.9, 257.1]
    assert float(start) == 0.0


def test_clipped_tails_are_told() -> None:
    assert "clipped: 2 % above" in _svg()
    assert "clipped: 0.13 % below, 2 % above" in _svg(below=0.00131)
    assert "nothing is clipped" in _svg(above=0.0)


def test_each_channel_is_a_line() -> None:
    assert _svg(channels=[[-1.0, 0.5], [0.0, 3.0], [0.1, 0.1]]).count("V") - _svg().count("V") == 3


def test_the_worst_are_shown_beside_each_other_and_all_in_the_table() -> None:
    names = ["conv/weights:0", "conv/Relu6:0", "box/weights:0"]
    given = document(why=why(), distributions=[distribution(name) for name in names])
    shown = quantizer_table.show(given, evidence.find(given))

    assert [item.tensor for item in shown.worst] == ["box/weights:0", "conv/Relu6:0", "conv/weights:0"]
    assert {row[0].text for row in shown.table.rows if "<details>" in row[0].svg} == set(names)


def test_where_nobody_asked_why_nothing_is_drawn() -> None:
    assert not histograms.draw(document())
