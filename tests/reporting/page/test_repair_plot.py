"""The plot of a repair: what is cheaper lies further left, what loses less lies higher."""

import re
from typing import Any, Dict, List, NamedTuple, Optional
from xml.etree import ElementTree

from quant_accuracy.reporting.page import drawing, repair_plot
from quant_accuracy.reporting.page.drawing import Plot
from tests.support.repair_documents import attempt, failed, many, repair


class _Dot(NamedTuple):
    """A dot of the drawing: its place in pixels, its width, and what a pointer is told."""

    x: float
    y: float
    width: float
    note: str


def _draw(given: Dict[str, Any], limit: Optional[float] = 0.02) -> Optional[Plot]:
    with drawing.own_settings():
        return repair_plot.draw({**given, "allowed_drop": limit})


def _drawn(given: Dict[str, Any], limit: Optional[float] = 0.02) -> Plot:
    found = _draw(given, limit)
    assert found is not None
    return found


def _dots(plot: Plot) -> List[_Dot]:
    found = []
    for group in ElementTree.fromstring(plot.svg).iter("g"):
        path, note = group.find("path"), group.findtext("title")
        assert path is not None
        assert note is not None
        x, y = map(float, re.findall(r"-?[\d.]+", path.attrib["d"])[:2])
        found.append(_Dot(x, y, float(re.findall(r"stroke-width: ([\d.]+)", path.attrib["style"])[0]), note))
    return found


def _texts(plot: Plot) -> List[str]:
    return [str(text.text) for text in ElementTree.fromstring(plot.svg).iter("text")]


def test_dots_lie_by_cost_and_drop_and_tell_what_they_are() -> None:
    dots = {dot.note.split(":")[0]: dot for dot in _dots(_drawn(repair()))}

    assert set(dots) == {"before as it is", "#1 scheme tf", "#2 equalization", "#4 equalization + AdaRound",
                         "#5 8 bits for all"}
    cheap = [dots[name] for name in ("before as it is", "#2 equalization", "#4 equalization + AdaRound")]
    assert len({dot.x for dot in cheap}) == 1
    assert [dot.y for dot in cheap] == sorted((dot.y for dot in cheap), reverse=True)
    assert dots["#5 8 bits for all"].x > cheap[0].x
    assert dots["#5 8 bits for all"].y < cheap[-1].y
    assert "drop 0.0180" in dots["#4 equalization + AdaRound"].note
    assert dots["#4 equalization + AdaRound"].width > dots["#5 8 bits for all"].width > dots["#2 equalization"].width


def test_drops_are_to_scale() -> None:
    given = repair(attempts=[attempt(str(drop), drop, front=True) for drop in (0.0, 0.05, 0.1)], chosen=None)
    places = [dot.y for dot in sorted(_dots(_drawn(given)), key=lambda dot: dot.y)]

    assert abs((places[1] - places[0]) - (places[2] - places[1])) < 0.3
    assert abs((places[3] - places[2]) / (places[1] - places[0]) - 0.056 / 0.05) < 0.02


def test_the_limit_separates_what_it_allows_from_the_rest() -> None:
    plot = _drawn(repair(), 0.02)
    (place,) = [float(text.attrib["y"]) for text in ElementTree.fromstring(plot.svg).iter("text")
                if text.text == "limit 0.02"]

    # The name stands below its line, whose height is that of 0.018 within a few pixels.
    below = [dot for dot in _dots(plot) if dot.y > place]
    assert {dot.note.split(" ")[0] for dot in below} == {"before", "#1", "#2"}
    assert "A drop of at most 0.02 is allowed." in plot.summary
    assert "limit" not in " ".join(_texts(_drawn(repair(), None)))


def test_what_loses_more_than_before_lies_on_the_floor() -> None:
    plot = _drawn(repair(attempts=[attempt("good", 0.01, front=True), attempt("ruin", 0.59), attempt("worse", 0.4)]))
    dots = {dot.note.split(":")[0]: dot for dot in _dots(plot)}

    assert dots["#2 ruin"].y == dots["#3 worse"].y >= dots["before as it is"].y
    assert plot.summary.endswith("2 attempts lose more than the plot shows.")


def test_the_front_and_what_is_chosen_are_named() -> None:
    plot = _drawn(repair())

    assert {"before", "#4 chosen", "#5"} <= set(_texts(plot))
    assert plot.summary.startswith("On the front: #4 0.0180 at 0.5, #5 0.0040 at 1.")


def test_without_a_measured_attempt_there_is_nothing_to_draw() -> None:
    assert _draw(repair(attempts=[], chosen=None)) is None
    assert _draw(repair(attempts=[failed()], chosen=None)) is None


def test_names_of_many_attempts_do_not_lie_on_each_other() -> None:
    root = ElementTree.fromstring(_drawn(many(200)).svg)
    places = [(float(text.attrib["x"]), float(text.attrib["y"])) for text in root.iter("text")
              if str(text.text).startswith(("#", "before"))]

    assert len(places) > 2
    assert not [(one, other) for one in places for other in places
                if one < other and abs(one[0] - other[0]) < 40 and abs(one[1] - other[1]) < 12]


def test_costs_that_are_far_apart_have_a_scale_of_doublings() -> None:
    plot = _drawn(repair(attempts=[attempt(str(cost), 0.1 / cost, cost) for cost in (0.25, 0.5, 1.0, 4.0)]))
    places = {dot.note.split(" ")[1]: dot.x for dot in _dots(plot)}

    assert {"0.25", "0.5", "1", "2", "4"} <= set(_texts(plot))
    assert abs((places["0.5:"] - places["0.25:"]) - (places["1.0:"] - places["0.5:"])) < 0.3


def test_costs_of_nothing_and_equal_drops_can_be_drawn() -> None:
    assert _drawn(repair(before=attempt("as it is", 0.0, 0.0), attempts=[attempt("same", 0.0, 0.0, front=True)]), None)
