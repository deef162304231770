"""The confusion of classes as pictures."""

import html
import re
from typing import List, Mapping

import pytest
from rich.cells import cell_len

from quant_accuracy.reporting.page import heat_maps
from quant_accuracy.reporting.page.heat_maps import Counts, HeatMap, Shape

_COUNTS: Mapping[str, Counts] = {"float": {(0, 0): 20, (0, 1): 1, (0, 2): 2, (1, 1): 20, (2, 0): 3},
                                 "quantized": {(0, 0): 20, (0, 1): 6}}


def _draw(counts: Counts, variant: str = "", *names: str) -> HeatMap:
    shape = Shape(names or ("cat", "dog"), range(len(names) or 2))
    return heat_maps.draw(variant or "difference", shape, counts, variant)


def _notes(item: HeatMap) -> List[str]:
    return re.findall("<g><title>(.*?)</title>", item.svg)


def test_each_pair_that_occurs_has_a_square_with_its_count() -> None:
    drawn = _draw(_COUNTS["float"], "float")

    assert _notes(drawn) == ["cat detected as cat: 20", "cat detected as dog: 1", "cat detected as not found: 2",
                             "dog detected as dog: 20", "no object detected as cat: 3"]
    assert re.findall(r'font-size="[79][^>]*>(.*?)</text>', drawn.svg) == ["20", "1", "2", "20", "3"]


def test_more_of_what_is_wrong_is_worse_and_more_of_what_is_right_is_better() -> None:
    drawn = _draw({(0, 0): 1, (0, 1): 1, (1, 1): -1}).svg

    assert re.findall(r"<title>([^<]*)</title><rect [^>]*style=\"fill: var\(--([\w-]+)\)", drawn) == [
        ("cat detected as cat: +1", heat_maps.BETTER), ("cat detected as dog: +1", heat_maps.WORSE),
        ("dog detected as dog: -1", heat_maps.WORSE)]
    # Not by colour alone.
    assert drawn.count(f"; stroke: var(--{heat_maps.WORSE})") == 2


def test_colours_of_a_difference_are_those_of_no_variant() -> None:
    drawn = _draw({(0, 0): 1, (0, 1): 1, (1, 1): -1}).svg

    assert not re.search("--(float|quantized|device)", drawn)


@pytest.mark.parametrize(("count", "shown"), [(999, "999"), (1000, "1k"), (12345, "12k")])
def test_a_count_fits_into_its_square(count: int, shown: str) -> None:
    assert f">{shown}</text>" in _draw({(0, 1): count}, "float").svg


@pytest.mark.parametrize("name", ["</svg><script>", "a\"b", "شَعار" * 20, "交通信号灯和行人过街天桥" * 3,
                                  "x" * 80])
def test_names_are_escaped_and_cut_to_the_room_that_there_is(name: str) -> None:
    drawn = _draw({(0, 0): 1}, "float", name, "dog").svg
    labels = [html.unescape(label) for label in re.findall(
        r"<text [^>]*unicode-bidi[^>]*>(?:<title>.*?</title>)?(.*?)</text>", drawn)]

    assert "<script>" not in drawn
    assert all(cell_len(label) <= 18 for label in labels)
    left = float(re.findall(r'<rect x="([\d.]+)"', drawn)[0])
    assert left >= 6 * max(min(cell_len(label), 17) for label in labels)
