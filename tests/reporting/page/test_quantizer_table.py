"""The table of quantizers: what moved, what is worst, what is printed."""

import re
from typing import Any, Dict, List

from quant_accuracy.reporting.page import bars, evidence, quantizer_table
from quant_accuracy.reporting.page.quantizer_table import Shown
from tests.support.report_documents import check, document, everything, large

_SNAPSHOT = {"differences": ["~ conv/bias:0: 8 bits -> off (rule: params: bias)"],
             "moved": [{"tensor": "conv/Relu6:0", "change": 0.25, "before": [0.0, 4.8], "after": [0.0, 6.0]},
                       {"tensor": "conv/weights:0", "change": 0.004, "before": [-1.0, 0.502], "after": [-1.0, 0.5]}]}


def _show(given: Dict[str, Any]) -> Shown:
    return quantizer_table.show(given, evidence.find(given))


def _marked(shown: Shown, mark: str) -> List[str]:
    return [row[0].text for row in shown.table.rows if mark in row[0].marks]


def test_changed_are_other_quantizers_and_those_that_moved_farther_than_is_allowed() -> None:
    shown = _show(document(snapshot=_SNAPSHOT))
    wider = _show(document(snapshot=_SNAPSHOT, verdicts=[check("encodings_drift", upper=0.3)]))

    assert _marked(shown, "changed") == ["conv/bias:0", "conv/Relu6:0"]
    assert shown.changed == 2
    assert _marked(wider, "changed") == ["conv/bias:0"]


def test_how_far_a_range_moved_stands_beside_where_it_was() -> None:
    shown = _show(document(snapshot=_SNAPSHOT))
    column = [item.name for item in shown.table.columns].index("moved, %")
    cells = {row[0].text: row[column] for row in shown.table.rows}

    assert cells["conv/Relu6:0"][:2] == ("25", "was 0\N{NO-BREAK SPACE}.. 4.8")
    assert cells["box/weights:0"].empty


def test_without_a_snapshot_nothing_is_said_of_changes() -> None:
    shown = _show(document())

    assert shown.changed is None
    assert "moved, %" not in [column.name for column in shown.table.columns]


def test_on_are_those_that_quantize() -> None:
    assert _marked(_show(everything()), "on") == ["box/weights:0", "conv/Relu6:0", "conv/weights:0"]


def test_of_many_the_worst_and_the_changed_are_printed() -> None:
    given = large()
    names = [item["tensor"] for item in given["quantizers"]]
    given["snapshot"] = {"differences": [], "moved": [{"tensor": name, "change": 0.5, "before": [0, 1], "after": [0, 2]}
                                                      for name in reversed(names)]}
    shown = _show(given)

    # The 15 worst lie at the beginning, the 20 that moved most at the end.
    assert set(_marked(shown, "printed")) == {*names[:15], *names[-20:]}
    assert shown.printed == 35


def _bars(svg: str) -> List[List[float]]:
    return [[float(number) for number in found] for found in re.findall(r'x="([\d.]+)".*?width="([\d.]+)"', svg)]


def test_both_ranges_are_drawn_on_one_scale_with_zero() -> None:
    before, after, zero = _bars(bars.ranges([0.0, 4.0], [-1.0, 3.0]))

    assert before == [20.0, 80.0]
    assert after == [0.0, 80.0]
    assert zero[0] == 19.6


def test_a_bar_is_as_long_as_the_noise_is_strong_beside_the_strongest() -> None:
    scale = bars.Scale([20.0, 26.0206, 40.0, None])

    assert [_bars(scale.bar(value))[0][1] for value in (20.0, 26.0206, 40.0)] == [100.0, 50.0, 10.0]
    assert not scale.bar(None)
    assert _bars(bars.Scale([20.0]).bar(20.0))[0][1] == 100.0
