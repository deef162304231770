"""The plots of the HTML page: what they draw where, in which colours, and that no name can change what they are."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple
from xml.etree import ElementTree

import matplotlib
import pytest

from quant_accuracy.base.words import VARIANTS
from quant_accuracy.reporting.page import plots
from quant_accuracy.reporting.page.drawing import Plot
from tests.support import report_documents
from tests.support.places import ROOT
from tests.support.report_documents import curve, curves, document, everything, large, past_run, quantizer, variant, why

_PAGE = ROOT / "quant_accuracy" / "reporting" / "page"
_NAMES = ["<b>&amp;\"'", "$x$", "$\\frac{1}{0}$", "$", "\\", "a\nb", "שלום", "\u202eabc", "🦀", "中文", "\U0010ffff",
          "</svg><script>", "%s", "{0}", "", "x" * 300]


def _all(drawn: plots.Plots) -> List[Plot]:
    single = (drawn.curves, drawn.errors, drawn.sensitivity, drawn.history)
    return [*(plot for plot in single if plot is not None), *drawn.class_curves, *drawn.ranges]


def _elements(plot: Any, tag: str) -> List[ElementTree.Element]:
    return list(ElementTree.fromstring(plot.svg).iter(tag))


def _style(element: ElementTree.Element) -> Dict[str, str]:
    return dict(part.split(": ") for part in element.attrib["style"].split("; "))


def _drawn_in(plot: Any, colour: str, how: str = "stroke") -> List[ElementTree.Element]:
    return [path for path in _elements(plot, "path") if _style(path).get(how) == f"var(--{colour})"]


def _points(path: ElementTree.Element) -> List[Tuple[float, float]]:
    numbers = list(map(float, re.findall(r"-?[\d.]+", path.attrib["d"])))
    return list(zip(numbers[::2], numbers[1::2]))


def _boxes(plot: Any, colour: str) -> List[Tuple[float, float, float, float]]:
    """Left, top, right and bottom of each filled box."""
    points = [list(zip(*_points(path))) for path in _drawn_in(plot, colour, "fill")]
    return [(min(x), min(y), max(x), max(y)) for x, y in points]


def _texts(plot: Any) -> List[str]:
    return [str(text.text or "") for text in _elements(plot, "text")]


def _only(drawn: Sequence[Plot]) -> Plot:
    assert len(drawn) == 1
    return drawn[0]


def test_a_curve_passes_through_its_values() -> None:
    plot = plots.draw(document()).curves
    (one,), (zero,) = ([(float(text.attrib["x"]), float(text.attrib["y"])) for text in _elements(plot, "text")
                        if text.text == word and "middle" in text.attrib.get("text-anchor", "")] for word in ("1", "0"))
    first = next(path for path in _drawn_in(plot, "float") if "stroke-dasharray" not in _style(path))

    points = _points(first)
    assert len(points) == 101
    for (x, y), recall, precision in zip(points, report_documents.RECALL, curve(0.9)):
        assert x == pytest.approx(zero[0] + recall * (one[0] - zero[0]), abs=0.06)
        assert y == pytest.approx(points[-1][1] + precision * (points[0][1] - points[-1][1]), abs=0.06)


def test_both_variants_and_the_three_iou_can_be_told_apart() -> None:
    plot = plots.draw(document()).curves
    styles = {colour: {_style(path).get("stroke-dasharray") for path in _drawn_in(plot, colour)}
              for colour in VARIANTS}

    assert len(styles["float"]) == 3
    assert styles["float"] == styles["quantized"]


def test_the_text_beside_curves_tells_the_areas() -> None:
    plot = plots.draw(document()).curves
    before, after = (sum(curve(end)) / 101 for end in (0.9, 0.88))

    assert plot is not None
    assert f"{before:.4f} → {after:.4f} at IoU 0.50," in plot.summary


def test_the_classes_that_lost_most_have_curves_of_their_own() -> None:
    names = [f"class {number}" for number in range(15)]
    found = plots.draw(document(
        curves=curves(*names, "without ground truth"),
        metrics={"float": variant(0.6, **dict.fromkeys(names, 0.5), **{"without ground truth": None}),
                 "quantized": variant(0.5, **{name: index / 40 for index, name in enumerate(names)},
                                      **{"without ground truth": None})})).class_curves

    assert [plot.title for plot in found] == names[:12]
    assert all(len(_drawn_in(plot, colour)) == 1 for plot in found for colour in VARIANTS)


def test_bars_of_errors_are_as_long_as_the_errors() -> None:
    dap = {"classification": 0.1, "localisation": 0.05, "both": None, "duplicate": -0.02, "background": 0.0}
    side = {"ap50": 0.8, "counts": {}, "dap": dap}
    plot = plots.draw(document(errors={"float": side, "quantized": side, "difference": side})).errors

    for colour in VARIANTS:
        widths = [right - left for left, _, right, _ in _boxes(plot, colour)]
        assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0] / 5, 0.0], abs=0.11)
    assert _texts(plot)[:3] == ["classification", "0.1000", "0.1000"]
    assert _texts(plot).count("–") == 2


def test_every_range_is_a_bar_of_its_own_panel_in_the_networks_order() -> None:
    placed = [quantizer("a", ranges=[[-0.5, 1.0]]), quantizer("b", "activation", ranges=[[0.0, 6.0]]),
              quantizer("off", enabled=False, ranges=[]), quantizer("c", ranges=[[-0.1, 0.3], [-40.0, 0.2]]),
              quantizer("d", ranges=[[0.0, 0.0]])]
    params, activations = plots.draw(document(quantizers=placed)).ranges
    notes = [[str(title.text) for title in _elements(plot, "title")] for plot in (params, activations)]

    assert notes == [["#1 a: -0.5 .. 1", "#4 c: -40 .. 0.3", "#5 d: 0 .. 0"], ["#2 b: 0 .. 6"]]
    one, two, flat = _boxes(params, "quantized")
    assert one[2] < two[0] < two[2] < flat[0]
    assert one[1] < two[1]  # 1 lies above 0.3,
    assert one[3] < two[3]  # and -40 below -0.5
    assert flat[1] == flat[3]
    assert "#4 c is the widest of 3: -40 .. 0.3" in params.summary


def test_ranges_that_differ_a_thousandfold_can_both_be_seen() -> None:
    placed = [quantizer("small", ranges=[[-0.01, 0.01]]), quantizer("large", ranges=[[-300.0, 300.0]])]
    small, large_one = _boxes(_only(plots.draw(document(quantizers=placed)).ranges), "quantized")

    assert large_one[3] - large_one[1] > 150
    assert small[3] - small[1] > 15


def test_levels_of_ranges_are_few_enough_to_be_read() -> None:
    placed = [quantizer("tiny", ranges=[[-1e-9, 1e-9]]), quantizer("huge", ranges=[[-1e9, 1e9]])]
    plot = _only(plots.draw(document(quantizers=placed)).ranges)
    heights = sorted(float(text.attrib["y"]) for text in _elements(plot, "text")
                     if text.text not in ("input", "output"))

    assert min(after - before for before, after in zip(heights, heights[1:])) > 12


def test_the_most_harmful_quantizers_are_drawn_with_noise_and_gain() -> None:
    plot = plots.draw(document(why=why())).sensitivity
    noises, gains = ([right - left for left, _, right, _ in _boxes(plot, colour)] for colour in ("ink", "soft"))

    # 21 and 30 dB alone, of 20 dB with all on: 79.4 % and 10 % of the noise; the third makes none.
    assert noises == pytest.approx([noises[0], noises[0] * 10 / 79.43, 0.0], abs=0.11)
    assert gains == pytest.approx([gains[0], gains[0] * 0.9 / 11.5, 0.0], abs=0.11)
    for text in ("box/weights:0", "79.4", "10.0", "0.0", "11.50", "0.90", "0.00"):
        assert text in _texts(plot)


def test_no_more_than_can_be_read_are_drawn_and_what_is_infinite_fills_the_column() -> None:
    answer = why()
    heard = [{**answer["sensitivity"]["quantizers"][0], "tensor": f"scope/{'long/' * 20}tensor_{number}:0",
              "layer": "scope/Conv2D"} for number in range(40)]
    heard[0]["only_off"] = None
    plot = plots.draw(document(why=why(sensitivity={**answer["sensitivity"], "quantizers": heard}))).sensitivity
    names = [text for text in _texts(plot) if "tensor" in text]
    widths = [right - left for left, _, right, _ in _boxes(plot, "soft")]

    assert len(names) == 15
    assert all(name.startswith("…/long/") and name.endswith(f"/tensor_{number}:0") for number, name in enumerate(names))
    assert "∞" in _texts(plot)
    assert widths[0] == max(widths)


def test_history_marks_the_runs_whose_provenance_changed_and_leaves_gaps() -> None:
    runs = [past_run(0.01), past_run(0.02, "versions.numpy"), past_run(None), past_run(0.03, "a", "b"), past_run(0.02)]
    plot = plots.draw(document(history=runs)).history
    marks = sorted({x for path in _drawn_in(plot, "mark") for x, _ in _points(path)})
    (drops,) = (path for path in _drawn_in(plot, "ink") if _style(path)["stroke-width"] != "5")
    (dots,) = (path for path in _drawn_in(plot, "ink") if _style(path)["stroke-width"] == "5")
    places = sorted({x for x, _ in _points(dots)})

    assert len(_drawn_in(plot, "mark")) == 4  # in two panels
    assert marks == [places[1], places[2]]
    assert drops.attrib["d"].count("M") == 2
    assert [text for text in _texts(plot) if text.startswith("#")] == ["#2", "#4", "#1: 2026-01-01", "#5: 2026-01-01"]
    assert plot is not None
    assert "5 runs; the provenance changed 2 times; the drop ranged from 0.0100 to 0.0300" in plot.summary


def test_a_history_without_any_change_of_the_figures_is_a_level_line() -> None:
    plot = plots.draw(document(history=[past_run(0.0), past_run(0.0)])).history

    heights = {y for path in _drawn_in(plot, "float") if _style(path)["stroke-width"] != "5" for _, y in _points(path)}
    assert len(heights) == 1


def test_where_there_is_nothing_to_draw_there_is_no_plot() -> None:
    nothing = dict.fromkeys(("0.50", "0.75", "0.50:0.95"))
    unknown: Dict[str, Any] = {"ap50": None, "counts": {}, "dap": dict.fromkeys(("missed", "both"))}
    drawn = plots.draw(document(
        curves={"recall": report_documents.RECALL, "mean": {"float": nothing, "quantized": nothing},
                "classes": {"emu": {"float": None, "quantized": None}}},
        metrics={side: variant(0.5, emu=None) for side in VARIANTS}, quantizers=[],
        errors=dict.fromkeys(("float", "quantized", "difference"), unknown), history=[past_run()]))

    assert not _all(drawn)


@pytest.mark.parametrize("changes", [{"all_on": None}, {"quantizers": []}])
def test_without_noise_or_quantizers_there_is_no_sensitivity(changes: Mapping[str, Any]) -> None:
    answer = why(sensitivity={**why()["sensitivity"], **changes})

    assert plots.draw(document(why=answer)).sensitivity is None


@pytest.mark.parametrize("history", [[], [past_run()], [past_run(None), past_run(None)], [past_run(), past_run(None)]])
def test_a_history_of_less_than_two_points_is_not_drawn(history: List[Any]) -> None:
    assert plots.draw(document(history=history)).history is None


def test_every_plot_has_a_role_and_a_text_that_stands_for_it() -> None:
    drawn = _all(plots.draw(everything()))
    roots = [ElementTree.fromstring(plot.svg) for plot in drawn]

    assert len(drawn) == 4 + 3 + 2
    assert {root.attrib["role"] for root in roots} == {"img"}
    assert all(plot.title in root.attrib["aria-label"] and plot.summary in root.attrib["aria-label"]
               for plot, root in zip(drawn, roots))


def _colours(drawn: Sequence[Plot]) -> Iterator[Tuple[str, str]]:
    for plot in drawn:
        for element in ElementTree.fromstring(plot.svg).iter():
            style = _style(element) if "style" in element.attrib else {}
            assert element.tag not in ("path", "text") or style.get("fill") or style.get("stroke")
            assert not {"fill", "stroke", "color"} & set(element.attrib)
            yield from ((key, value) for key, value in style.items() if key in ("fill", "stroke", "color"))


def test_plots_have_no_colours_but_those_of_the_page_which_it_has_for_light_and_dark() -> None:
    used = {value for _, value in _colours(_all(plots.draw(everything())))}
    css = (_PAGE / "templates" / "report.css").read_text(encoding="utf-8")
    light, dark = css.split("@media", 1)

    assert used == {"none", *(f"var(--{name})" for name in ("ink", "soft", "line", "float", "quantized", "mark"))}
    for name in ("ink", "soft", "line", "float", "quantized", "mark"):
        assert [len(re.findall(rf"--{name}: #\w{{6}};", part)) for part in (light, dark)] == [1, 1]


def test_plots_have_no_ids_definitions_or_references() -> None:
    for plot in _all(plots.draw(everything())):
        found = list(ElementTree.fromstring(plot.svg).iter())
        assert {element.tag for element in found} <= {"svg", "g", "path", "text", "title"}
        assert not [element for element in found for name in element.attrib if name == "id" or "href" in name]
        assert "url(" not in plot.svg


def _with_name(name: str) -> Dict[str, Any]:
    """A document with a name at every place that a plot shows."""
    answer = why()
    answer["sensitivity"]["quantizers"][0]["tensor"] = name
    return document(curves=curves(name), metrics={side: variant(0.5, **{name: 0.5}) for side in VARIANTS},
                    quantizers=[quantizer(name)], why=answer,
                    history=[past_run(0.01, name), past_run(0.02, name)])


@pytest.mark.parametrize("name", _NAMES)
def test_a_name_changes_no_plot_and_causes_no_warning(name: str) -> None:
    # A warning that comes from the engine is an error in these tests.
    drawn = plots.draw(_with_name(name))
    plain = plots.draw(_with_name("zebra"))

    assert _only(drawn.class_curves).title == name
    tags = [[[element.tag for element in ElementTree.fromstring(plot.svg).iter()] for plot in _all(found)]
            for found in (drawn, plain)]
    assert tags[0] == tags[1]


def test_drawing_leaves_no_trace_in_matplotlib() -> None:
    before = dict(matplotlib.rcParams)
    plots.draw(everything())

    assert dict(matplotlib.rcParams) == before


_IN_A_PROCESS = """
import json, sys
from pathlib import Path
from quant_accuracy.reporting.page import pages
sys.stdout.write(pages.render(json.load(sys.stdin), "html", Path("nowhere")))
assert "matplotlib.pyplot" not in sys.modules
"""


def _elsewhere(folder: Path, **environment: str) -> str:
    """The page from another process."""
    return subprocess.run([sys.executable, "-c", _IN_A_PROCESS], input=json.dumps(everything()), check=True,
                          capture_output=True, encoding="utf-8", cwd=str(ROOT),
                          env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONIOENCODING": "utf-8",
                               **environment}).stdout


def test_a_page_is_the_same_in_every_process_and_whatever_a_user_prefers_of_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\npath.sketch: 1, 100, 2\n"
                                           "lines.dashed_pattern: 9, 9\nsvg.fonttype: path\nlines.marker: o\n")
    one = _elsewhere(tmp_path, PYTHONHASHSEED="1")
    two = _elsewhere(tmp_path, PYTHONHASHSEED="2", MPLCONFIGDIR=str(tmp_path), TZ="Asia/Tokyo", LC_ALL="C")

    assert one == two
    assert "<svg" in one


def test_the_plots_of_a_large_report_are_small() -> None:
    drawn = _all(plots.draw(large()))

    assert len(drawn) == 4 + 12 + 2
    assert sum(len(plot.svg) for plot in drawn) < 200_000
