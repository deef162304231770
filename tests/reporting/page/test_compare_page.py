"""The page that sets runs side by side: what it shows of reports that lie in folders, and that names change nothing."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.commands import compare
from quant_accuracy.reporting import comparison
from quant_accuracy.reporting.comparison import Comparison
from quant_accuracy.reporting.document import read_report, read_shown
from quant_accuracy.reporting.page import compare_page, of_comparison
from quant_accuracy.reporting.page.tables import Table
from quant_accuracy.reporting.paired import ImageChange
from tests.support.report_documents import check, device, document, past_run, quantizer, variant, verdict

Write = Callable[..., Path]


class _Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: List[str] = []
        self.classes: List[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.append(tag)
        self.classes += (dict(attrs).get("class") or "").split()

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Leaves a report in a folder of its own."""
    def run(name: str, snapshot: Sequence[Dict[str, Any]] = (), **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        provenance = {"data": {"shards": {"val-00000": "12ab"}, "annotations": "ab"}, "seed": name}
        (folder / "report.json").write_text(json.dumps(document(provenance=provenance, **changes)))
        if snapshot:
            (folder / read_report.SNAPSHOT_FILE).write_text(json.dumps(list(snapshot)))
        return folder

    return run


def _metrics(quantized: float, dog: float) -> Dict[str, Any]:
    return {"float": variant(0.6, cat=0.5, dog=0.7), "quantized": variant(quantized, cat=0.49, dog=dog)}


@pytest.fixture
def three(write: Write) -> List[Path]:
    """Three runs: the quantized mAP falls and rises, a gate turns red, a range moves, a model has another name."""
    def ranges(high: float) -> List[Dict[str, Any]]:
        return [quantizer("conv/Relu6:0", "activation", ranges=[[0.0, high]])]

    return [write("first", ranges(6.0), metrics=_metrics(0.58, 0.65), history=[past_run(0.01), past_run(0.02, day=2)]),
            write("second", ranges(3.0), metrics=_metrics(0.5, 0.45), mAP_drop=0.1, verdicts=[
                verdict(outcome="fail", value=0.1), check("biases", outcome="fail", message="one has a quantizer")]),
            write("third", [quantizer("conv/Relu6:0", "activation", bitwidth=16, ranges=[[0.0, 6.0]])], model="other",
                  metrics=_metrics(0.59, 0.66), history=[past_run(0.03, day=3), past_run(0.025, day=4)])]


def _compared(folders: Sequence[Path]) -> List[Comparison]:
    return [comparison.compare(folders[0], folder) for folder in folders[1:]]


def _view(folders: Sequence[Path]) -> Dict[str, Any]:
    return _shown(_compared(folders))


def _shown(found: Sequence[Comparison]) -> Dict[str, Any]:
    runs = [found[0].before, *(item.after for item in found)]
    return of_comparison.view(found, list(map(read_shown.read, runs)))


def _rows(table: Table) -> Dict[str, List[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_figures_of_each_run_have_their_own_interval_and_their_difference_from_the_first(three: List[Path]) -> None:
    headline = _view(three)["headline"]

    assert [column.name for column in headline.columns] == ["figure", "A", "B", "B - A", "change", "C", "C - A",
                                                            "change"]
    assert _rows(headline)["quantized mAP"] == ["0.5800", "0.5000", "-0.0800", "–", "0.5900", "+0.0100", "–"]
    assert headline.rows[1][1].small == "0.0000\N{NO-BREAK SPACE}.. 0.0123"
    assert headline.rows[1][3].small == ""


def test_classes_are_those_of_all_runs_with_the_worst_change_first(three: List[Path]) -> None:
    classes = _view(three)["classes"]

    assert classes[0].label == "AP by class, quantized"
    assert list(_rows(classes[0])) == ["dog", "cat"]
    assert _rows(classes[0])["dog"] == ["0.6500", "0.4500", "-0.2000", "0.6600", "+0.0100"]
    assert classes[0].sortable


def test_verdicts_that_changed_stand_beside_each_other(three: List[Path]) -> None:
    verdicts = _view(three)["verdicts"]

    assert _rows(verdicts) == {"mAP_drop": ["pass", "fail", "pass"], "biases": ["–", "fail", "–"]}
    assert [cell.small for cell in verdicts.rows[0][1:]] == ["0.0100 (<= 0.02)", "0.1000 (<= 0.02)", "0.0100 (<= 0.02)"]
    assert verdicts.rows[1][2].small == "one has a quantizer"


def test_a_device_that_only_the_last_run_has_is_shown(write: Write) -> None:
    shown = _view([write("plain"), write("again"), write("with_device", device=device())])

    assert [table.label for table in shown["figures"]] == ["COCO's figures, float", "COCO's figures, quantized",
                                                           "COCO's figures, device"]
    assert _rows(shown["figures"][-1])["mAP"] == ["–", "–", "–", "0.5800", "–"]


def test_bars_of_an_encoding_have_one_scale_for_all_runs(write: Write) -> None:
    shown = _view([write(f"run{high}", [quantizer("a:0", ranges=[[0.0, high]])]) for high in (4.0, 2.0, 8.0)])
    first, second = (row.svg for row in shown["encodings"].rows[0][1::2])

    # A, then the run itself; the widest of all fills the bar.
    assert re.findall(r'width="([\d.]+)" height="5"', first) == ["50.0", "25.0"]
    assert re.findall(r'width="([\d.]+)" height="5"', second) == ["50.0", "100.0"]


def test_quantizers_and_encodings_are_told_run_by_run(three: List[Path]) -> None:
    shown = _view(three)

    assert [(item.title, len(item.lines)) for item in shown["quantizers"]] == [
        ("Quantizers that changed, C against A", 1)]
    assert "16" in shown["quantizers"][0].lines[0]
    assert _rows(shown["encodings"]) == {"conv/Relu6:0": ["0\N{NO-BREAK SPACE}.. 3", "50 %", "–", "–"]}
    assert [item.title for item in shown["provenance"]] == ["Provenance that differs, B against A",
                                                            "Provenance that differs, C against A"]


def test_what_cannot_be_compared_says_so(three: List[Path]) -> None:
    (three[1] / read_report.SNAPSHOT_FILE).unlink()
    shown = _view(three[:2])

    assert shown["quantizers"][0].lines == [f"not compared: {three[1] / read_report.SNAPSHOT_FILE} missing"]
    assert "float.json is missing" in shown["notes"][0].value


def test_images_come_with_the_largest_change_of_any_run_first(three: List[Path]) -> None:
    found = _compared(three)
    changed = [[ImageChange(7, "7.jpg", 0.9, 0.8), ImageChange(4, "4.jpg", 0.5, 0.55)],
               [ImageChange(4, "4.jpg", 0.5, 1.0)]]
    found = [replace(item, paired=replace(item.paired, changed=own)) for item, own in zip(found, changed)]
    images = _shown(found)["images"]

    assert _rows(images) == {"4": ["0.5000", "0.5500", "+0.0500", "1.0000", "+0.5000"],
                             "7": ["0.9000", "0.8000", "-0.1000", "0.9000", "0.0000"]}
    assert list(_rows(images)) == ["4", "7"]


def test_histories_of_several_models_are_one_plot_and_a_run_told_twice_is_one(three: List[Path]) -> None:
    found = _compared([*three, three[2]])
    runs = [found[0].before, *(item.after for item in found)]
    past = compare_page.histories(runs, list(map(read_shown.read, runs)))
    page = _Page(compare_page.render(found))

    assert {name: [run.drop for run in of_model] for name, of_model in past.items()} == {
        "some_model": [0.01, 0.02], "other": [0.03, 0.025]}
    assert "some_model: 2 runs, last 0.0200; other: 2 runs, last 0.0250." in page.text
    assert page.classes.count("plot") == 1


def test_without_a_history_there_is_no_plot(three: List[Path]) -> None:
    assert "plot" in _Page(compare_page.render(_compared(three[:2]))).classes
    (three[0] / "report.json").write_text(json.dumps({**json.loads((three[0] / "report.json").read_text()),
                                                      "history": []}))
    assert "plot" not in _Page(compare_page.render(_compared(three[:2]))).classes


@pytest.mark.parametrize(("change", "said"), [
    ({"history": 3}, "history is not a list"), ({"history": [{"time": "today"}]}, "history.0.time is 'today'"),
    ({"intervals": {"float": {"mAP": [1]}}}, "intervals.float.mAP"), ({"intervals": 3}, "intervals"),
])
def test_a_damaged_report_is_one_clear_error(three: List[Path], change: Dict[str, Any], said: str) -> None:
    path = three[1] / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(ConfigurationError, match=f"report.json: {re.escape(said)}"):
        compare_page.render(_compared(three[:2]))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</style></svg>", "&lt;", "'\" onclick=x", "{{ title }}",
                                  "\u05e9\u05dc\u05d5\u05dd \u202eabc"])
def test_a_name_from_outside_changes_nothing_but_itself(write: Write, name: str) -> None:
    def page(given: str, folder: str) -> _Page:
        runs = [write(f"{folder}{number}", [quantizer(given, ranges=[[0.0, high]])], model=given,
                      metrics={side: variant(0.6, **{given: high / 10}) for side in ("float", "quantized")},
                      verdicts=[verdict(given, outcome=outcome)], history=[past_run(), past_run(day=2)])
                for number, (high, outcome) in enumerate([(6.0, "pass"), (3.0, "fail")])]
        return _Page(compare_page.render(_compared(runs)))

    hostile, plain = page(name, "a"), page("zebra", "b")

    assert [tag for tag in hostile.tags if tag != "wbr"] == [tag for tag in plain.tags if tag != "wbr"]
    assert hostile.text.count(name) == plain.text.count("zebra") > 5


def test_the_command_writes_the_page_of_three_runs_and_a_list_of_comparisons(
        three: List[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page, listed = tmp_path / "page.html", tmp_path / "all.json"

    assert compare.main([str(three[0]), str(three[1]), "--html", str(page), str(three[2]), "--json", str(listed)]) == 0

    text, said = page.read_text(encoding="utf-8"), capsys.readouterr().out
    assert "<title>some_model, other: B, C against A</title>" in text
    assert "C against A" in said
    assert said.rstrip().endswith(f"written:\n  {listed}\n  {page}")
    assert [item["after"]["model"] for item in json.loads(listed.read_text())] == ["some_model", "other"]


def test_a_folder_is_no_place_for_the_page(three: List[Path], tmp_path: Path,
                                           capsys: pytest.CaptureFixture) -> None:
    assert compare.main([*map(str, three[:2]), "--html", str(tmp_path)]) == 2

    assert f"--html {tmp_path}: is a folder; name a file" in capsys.readouterr().err


def test_more_runs_than_letters_are_refused(three: List[Path], capsys: pytest.CaptureFixture) -> None:
    assert compare.main([str(three[0])] * 27) == 2

    assert "27 runs: a comparison takes 26; name fewer" in capsys.readouterr().err
