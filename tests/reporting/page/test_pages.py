"""The pages of a report: what they show, and that names from outside cannot change what they are."""

import base64
import json
import re
import subprocess
import sys
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from quant_accuracy.base import files
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.base.words import REPORT_FORMS
from quant_accuracy.reporting.page import pages
from quant_accuracy.scoring.metrics import FIGURES
from tests.support import repair_documents, report_documents
from tests.support.places import ROOT
from tests.support.report_documents import (
    changed_image,
    check,
    document,
    everything,
    past_run,
    quantizer,
    variant,
    verdict,
    why,
)

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_HOSTILE = ["<script>alert(1)</script>", "a|b", "a\\|b\\", "two\nlines\r\nor three", "</details></table><img src=x>",
            "`code` **bold** _this_ ~~gone~~ $x$", "[text](there) ![picture](there)", "&lt;b&gt; &amp;",
            "'\" onclick=x", "__init__ snake_case _private", "{{ model }}{% raw %}", "<!-- hidden", "# 1. - > |",
            "</svg></style></script>", "\u05e9\u05dc\u05d5\u05dd \u202eabc", "\U0001f980 \u4e2d\u6587 \U0010ffff",
            "$\\frac{1}{0}$ $", "%s {0}"]
_NOWHERE = Path("nowhere")


class _Page(HTMLParser):
    """What a browser makes of a page: its tags, attributes and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: List[str] = []
        self.attributes: Dict[str, List[str]] = {}
        self.rows: List[List[str]] = []
        self.text = ""
        self._cell: Optional[str] = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append(" ".join(self._cell.split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell is not None:
            self._cell += data


def _read(given: Mapping[str, Any], form: str, folder: Path = _NOWHERE) -> _Page:
    text = pages.render(given, form, folder)
    return _Page(text if form == "html" else _MARKDOWN.render(text))


@pytest.mark.parametrize("form", ["html", "md"])
def test_the_numbers_of_the_document_appear(form: str) -> None:
    page = _read(document(), form)

    small = "1,234" if form == "html" else "(1,234)"
    assert ["duplicate", f"0.1100 {small}", f"0.1250 {small}", "0.0150"] in page.rows
    assert ["missed", f"– {small}", f"– {small}", "–"] in page.rows
    assert ["mAP_drop", "0.0100", "<= 0.02", "0.0080 .. 0.0123", "±0.0000", "pass", "well below"] in page.rows
    assert [row[0] for row in page.rows if row[0] in FIGURES] == list(FIGURES)
    for shown in ("some_model", "0-3,7", "40"):
        assert shown in page.text


def test_every_figure_has_its_interval_in_html_and_that_of_the_drop_in_markdown() -> None:
    html, markdown = (_read(document(), form).rows for form in ("html", "md"))

    assert ["mAP", "0.6000 0.0000 .. 0.0123", "0.5877 0.0000 .. 0.0123", "0.0123 0.0000 .. 0.0123"] in html
    assert ["AR_large", "0.7100 0.0110 .. 0.0233", "0.6977 0.0110 .. 0.0233", "0.0123 0.0110 .. 0.0233"] in html
    assert ["AR_large", "0.7100", "0.6977", "0.0123 (0.0110 .. 0.0233)"] in markdown
    assert ["dog", "0.7000", "0.6500", "0.0500 0.0410 .. 0.0590"] in html
    assert ["dog", "0.7000", "0.6500", "0.0500 (0.0410 .. 0.0590)"] in markdown


def test_the_html_page_tells_what_the_figures_come_from_and_what_was_run() -> None:
    rows = _read(document(), "html").rows

    for row in (["tower/norm", "read twice"], ["batch_size", "1"], ["simulator", "builtin"],
                ["shards.val-00000", "12ab"], ["seed", "–"], ["model.ckpt.meta", report_documents.DIGEST],
                ["detect", "4.5"], ["float", "94.2"], ["quantized", "–"], ["cores", "2"], ["shards", "–"]):
        assert row in rows


@pytest.mark.parametrize("form", ["html", "md"])
def test_pages_tell_what_had_to_be_run_again_where_anything_had(form: str) -> None:
    row = ["shard 3", "its process was killed (SIGKILL) (executor processes)"]

    assert row in _read(everything(), form).rows
    assert row not in _read(document(), form).rows


def test_markdown_tells_the_provenance_in_short() -> None:
    page = _read(document(), "md")

    assert ["checkpoint.model.ckpt.meta", "dddddddddddd"] in page.rows
    assert "12ab" not in page.text


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("lower", "upper", "limit"), [
    (0.57, None, ">= 0.57"), (None, 0.02, "<= 0.02"), (0.2439, 0.2499, "0.2439 .. 0.2499"), (None, None, "–"),
])
def test_a_limit_reads_as_a_person_writes_it(form: str, lower: Optional[float], upper: Optional[float],
                                             limit: str) -> None:
    page = _read(document(verdicts=[verdict("this", lower=lower, upper=upper)]), form)

    assert [row[2] for row in page.rows if row[0] == "this"] == [limit]


@pytest.mark.parametrize("form", ["html", "md"])
def test_missing_figures_show_as_a_dash(form: str) -> None:
    nothing = dict.fromkeys(FIGURES)
    page = _read(document(verdicts=[verdict("this", value=None, interval=None, jitter=None)], mAP_drop=None,
                          intervals={"resamples": 0, "float": nothing, "quantized": nothing, "drop": nothing,
                                     "class_drop": {}},
                          history=[past_run(None), past_run(None)]), form)

    assert ["this", "–", "<= 0.02", "–", "–", "pass", "well below"] in page.rows
    assert ["AP_small", "–", "–", "–"] in page.rows
    assert ["emu", "–", "–", "–"] in page.rows
    assert "None" not in page.text
    assert not re.search(r"\bnan\b", page.text)


@pytest.mark.parametrize("form", ["html", "md"])
def test_nothing_at_all_makes_a_page_too(form: str) -> None:
    empty = variant(0.0)
    empty["figures"] = dict.fromkeys(FIGURES)
    page = _read(document(metrics={"float": empty, "quantized": empty}, quantizers=[], batch_norms_left=[],
                          verdicts=[], curves={**report_documents.curves(), "mean": {
                              side: dict.fromkeys(("0.50", "0.75", "0.50:0.95")) for side in ("float", "quantized")}},
                          provenance={}, mAP_drop=None), form)

    assert ["mAP", "–", "–", "–"] in page.rows


@pytest.mark.parametrize("form", ["html", "md"])
def test_classes_come_worst_first_and_those_without_a_figure_last(form: str) -> None:
    rows = _read(document(), form).rows

    assert [row[0] for row in rows if row[0] in ("cat", "dog", "emu", "fox") and len(row) == 4] == [
        "dog", "cat", "fox", "emu"]


@pytest.mark.parametrize("form", ["html", "md"])
def test_gates_come_worst_first_and_keep_the_order_of_the_card(form: str) -> None:
    outcomes = {"one": "pass", "two": "inconclusive", "three": "fail", "four": "fail", "five": "pass"}
    rows = _read(document(verdicts=[verdict(gate, outcome=outcome) for gate, outcome in outcomes.items()]), form).rows

    assert [row[0] for row in rows if row[0] in outcomes] == ["three", "four", "two", "one", "five"]


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_drop_that_rounds_to_zero_has_no_sign(form: str) -> None:
    metrics = {"float": variant(0.6, cat=0.5), "quantized": variant(0.6, cat=0.50001)}
    intervals = {**document()["intervals"], "class_drop": {"cat": [-0.00001, 0.00001]}}
    rows = _read(document(metrics=metrics, intervals=intervals), form).rows

    assert [re.sub(r"[^-.\d ]", "", " ".join(row)).split() for row in rows if row[0] == "cat" and len(row) == 4] == [
        ["0.5000", "0.5000", "0.0000", "0.0000", "..", "0.0000"]]


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("outcomes", "overall", "counts"), [
    (["pass", "pass"], "pass", "2 gates: 2 pass"),
    (["pass", "inconclusive"], "inconclusive", "2 gates: 1 pass, 1 inconclusive"),
    (["inconclusive", "fail", "pass"], "fail", "3 gates: 1 pass, 1 fail, 1 inconclusive"),
    (["fail"], "fail", "1 gate: 1 fail"),
    ([], "no gates", "the model card names no gates"),
])
def test_the_page_opens_with_the_worst_verdict(form: str, outcomes: Sequence[str], overall: str, counts: str) -> None:
    page = _read(document(verdicts=[verdict(outcome=outcome) for outcome in outcomes]), form)
    opening = page.text[page.text.index("some_model"):]

    assert opening.startswith(f"some_model: {overall}\n")
    assert counts in opening


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("verdicts", "overall", "counts"), [
    ([verdict(), check(), check("biases")], "pass", "1 gate and 2 checks: 3 pass"),
    ([verdict(), check(outcome="fail"), check("biases")], "fail", "1 gate and 2 checks: 2 pass, 1 fail"),
    ([check()], "pass", "1 check: 1 pass; the model card names no gates"),
])
def test_a_check_counts_as_a_gate_does(form: str, verdicts: Sequence[Any], overall: str, counts: str) -> None:
    page = _read(document(verdicts=verdicts), form)
    opening = page.text[page.text.index("some_model"):]

    assert opening.startswith(f"some_model: {overall}\n")
    assert counts in opening


@pytest.mark.parametrize("form", ["html", "md"])
def test_checks_have_a_table_of_their_own_worst_first_and_a_long_list_is_cut(form: str) -> None:
    message = "biases with a quantizer:" + "".join(f"\n  layer_{number}/biases:0" for number in range(32))
    page = _read(document(verdicts=[verdict(), check(), check("biases", outcome="fail", message=message)]), form)
    rows = [row for row in page.rows if row[0] in ("biases", "weights_quantized")]

    assert [row[:2] for row in rows] == [["biases", "fail"], ["weights_quantized", "pass"]]
    assert "layer_4/biases:0" in rows[0][2]
    assert "layer_5/biases:0" not in rows[0][2]
    assert "and 27 more; report.json has all" in rows[0][2]


@pytest.mark.parametrize("form", ["html", "md"])
def test_of_encodings_that_moved_the_worst_five_are_shown(form: str) -> None:
    message = "49 of 163 encodings moved:" + "".join(f"\n  layer_{number}/Relu6:0: moved" for number in range(49))
    page = _read(document(verdicts=[verdict(), check("encodings_drift", outcome="fail", message=message)]), form)
    (said,) = [row[2] for row in page.rows if row[0] == "encodings_drift"]

    assert said.count("/Relu6:0") == 5
    assert "layer_4/Relu6:0" in said
    assert "and 44 more; report.json has all" in said


@pytest.mark.parametrize("form", ["html", "md"])
def test_notes_are_lines_of_their_own(form: str) -> None:
    page = _read(document(notes=["strict_symmetric: True changes nothing", "two"]), form)

    lines = [line.replace("Note: ", "").strip() for line in page.text.splitlines()]
    assert {"strict_symmetric: True changes nothing", "two"} <= set(lines)


@pytest.mark.parametrize("form", ["html", "md"])
def test_the_answer_to_why_comes_before_the_gates(form: str) -> None:
    page = _read(everything(), form)
    places = [page.text.index(text) for text in ("mAP drop", "box/weights:0 costs most of it", "It has 4 bits",
                                                 "Dog and missed objects suffer", "well below")]

    assert places == sorted(places)


def test_every_quantizer_has_a_row_in_the_networks_order() -> None:
    rows = _read(document(), "html").rows
    first = rows.index(["conv/weights:0", "1", "param", "8", "no", "-1 .. 0.5 2 channels",
                        "defaults: params are quantized"])

    assert rows[first + 1:first + 4] == [
        ["conv/bias:0", "2", "param", "off", "–", "–", "params: bias"],
        ["conv/Relu6:0", "3", "activation", "8", "yes", "0 .. 6", "defaults: params are quantized"],
        ["box/weights:0", "4", "param", "4", "no", "-30 .. 20", "defaults: params are quantized"]]
    assert "3 of 4 quantizers are on: 2 params, 1 activation" in _read(document(), "html").text


def test_where_they_were_heard_the_most_harmful_quantizers_come_first() -> None:
    rows = [[row[0], *row[-3:]] for row in _read(everything(), "html").rows if len(row) == 10]

    assert rows == [["tensor", "SQNR, dB", "only on, dB", "only off, dB"],
                    ["box/weights:0", "11.3", "21.0", "31.5"], ["conv/Relu6:0", "33.0", "30.0", "20.9"],
                    ["conv/weights:0", "∞", "∞", "20.0"], ["conv/bias:0", "–", "–", "–"]]
    assert ["box/weights:0", "11.3", "21.0", "31.5"] in _read(everything(), "md").rows


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_tensor_whose_name_does_not_tell_is_shown_with_its_layer(form: str) -> None:
    answer = why()
    answer["sensitivity"]["quantizers"][0]["layer"] = "tower/Conv2D"
    page = _read(document(why=answer), form)
    names = [row[0] for row in page.rows]

    assert "box/weights:0 of tower/Conv2D" in names
    assert "conv/Relu6:0" in names
    # Among the most harmful ones, and among those that have to go.
    assert " ".join(page.text.split()).count("box/weights:0 of tower/Conv2D") >= 2


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("changes", "said"), [
    ({}, "met with 1 quantizer off; with any one of them on again it is not met"),
    ({"smallest": False, "off": ["a", "b"], "name": "depthwise weights"},
     "met with 2 quantizers (depthwise weights) off"),
    ({"met": False, "smallest": False}, "not met with 1 quantizer off"),
    ({"met": False, "smallest": False, "off": [], "mAP": None, "drop": None}, "no such set was found"),
    ({"note": "time ran out"}, "time ran out"),
])
def test_the_bisection_says_how_it_ended(form: str, changes: Dict[str, Any], said: str) -> None:
    found = {**why()["bisection"], **changes}

    told = " ".join(_read(document(why=why(bisection=found)), form).text.split())

    assert said.lower() in told.lower()


def test_trials_and_attribution_are_told() -> None:
    page = _read(everything(), "html")

    assert ["box/weights:0, conv/weights:0", "2", "off", "0.5970", "0.0030", "yes"] in page.rows
    assert ["box/weights:0", "1", "at 8 bits", "0.5910", "0.0090", "yes"] in page.rows
    assert ["dog", "0.0500", "61 %"] in page.rows
    assert ["missed", "0.0151"] in page.rows
    assert "Without 2 of the images the mAP drop is 0.0042: 17, 4." in page.text


@pytest.mark.parametrize("form", ["html", "md"])
def test_history_tells_what_changed(form: str) -> None:
    rows = _read(everything(), form).rows
    runs = [row for row in rows if row[0].startswith("#")]

    assert [row[1:] for row in runs if "quantization.scheme" in row[-1]] == [
        ["0.6000", "0.5700", "0.0300", "40", "quantization.scheme"]]
    assert [row[0][:2] for row in runs] == (["#3", "#2", "#1"] if form == "html" else ["#2"])
    assert "2026-01-02 12:34" in next(row[0] for row in runs if row[0].startswith("#2"))


def test_pictures_lie_in_the_page_and_missing_ones_are_said(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8), "red").save(str(tmp_path / "images" / "17.jpg"))
    page = _read(everything(), "html", tmp_path)

    content = (tmp_path / "images" / "17.jpg").read_bytes()
    assert page.attributes["src"] == [f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"]
    assert "image 17 000000000017.jpg" in page.text
    assert "AP 0.9000 → 0.4567" in page.text
    assert "No picture: images/4.jpg is missing or is not an image" in page.text


def test_what_is_no_picture_is_not_embedded(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("<svg onload=x>")
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (8, 8), "red").save(str(tmp_path / "good.png"))
    page = _read(document(changed_images=[changed_image(number, name) for number, name in
                                          enumerate(("secret.jpg", "folder.png", "nul\0.jpg", "good.png"))]),
                 "html", tmp_path)

    assert [source[:22] for source in page.attributes["src"]] == ["data:image/png;base64,"]
    assert page.text.count("No picture: ") == 3


def _with_name(name: str) -> Dict[str, Any]:
    """A document with a name at every place where a name from outside may stand."""
    tried = {"name": name, "mAP": 0.5, "drop": 0.1, "met": True}
    answer = why(lines=[name, name, name], bisection={
        **why()["bisection"], "goal": name, "note": name, "name": name, "off": [name, name],
        "trials": [{**tried, "off": [name]}, {**tried, "off": 5 * [name]}],
        "raised": [{**tried, "bitwidth": 8, "tensors": 5 * [name], "off": [name]}]})
    answer["sensitivity"]["families"][0]["name"] = name
    answer["sensitivity"]["outputs"] = [name]
    answer["sensitivity"]["quantizers"][0]["tensor"] = name
    answer["attribution"]["classes"][0]["name"] = name
    return document(
        model=name, shards=name, annotations=name, provenance={name: name, "data": {name: name}},
        metrics={side: variant(0.6, **{name: 0.5}) for side in ("float", "quantized")},
        curves=report_documents.curves(name), notes=[name],
        verdicts=[verdict(name, message=name), check(name, message=f"wrong:\n  {name}")],
        quantizers=[quantizer(name, rule=name), quantizer("other", "activation")],
        batch_norms_left=[{"batch_norm": name, "reason": name}], why=answer,
        changed_images=[{**changed_image(1, name), "file_name": name}],
        history=[past_run(0.01, name), past_run(0.02, name), past_run(0.03, name)],
        run={**document()["run"], "options": {name: name}}, repair=repair_documents.with_name(name))


@lru_cache(maxsize=None)
def _with_zebra(form: str) -> _Page:
    return _read(_with_name("zebra"), form)


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize("form", ["html", "md"])
def test_a_name_from_outside_is_shown_as_it_stands_and_changes_nothing_else(form: str, name: str,
                                                                           tmp_path: Path) -> None:
    shown = " ".join(name.split())

    page = _read(_with_name(name), form, tmp_path)
    expected = _with_zebra(form)

    # Where a long name may be broken depends on the name.
    assert [tag for tag in page.tags if tag != "wbr"] == [tag for tag in expected.tags if tag != "wbr"]
    assert {key: len(values) for key, values in page.attributes.items()} == {
        key: len(values) for key, values in expected.attributes.items()}
    assert [len(row) for row in page.rows] == [len(row) for row in expected.rows]
    assert [shown, "0.5000", "0.5000", "0.0000"] in page.rows
    assert [row[-1] for row in page.rows if row[0] == shown and len(row) == 7 and "pass" in row] == [shown]
    text, plain = (" ".join(found.text.split()) for found in (page, expected))
    assert text.count(shown) == plain.count("zebra")


@pytest.mark.parametrize("form", ["html", "md"])
def test_half_a_character_in_a_name_does_not_stop_the_report(form: str, tmp_path: Path) -> None:
    assert pages.write(document(model="\ud83e"), tmp_path, (form,))


def test_markdown_escapes_dollars_which_github_reads_as_mathematics() -> None:
    assert r"\$x\$" in pages.render(document(model="$x$"), "md", _NOWHERE)


def test_large_reports_stay_small(tmp_path: Path) -> None:
    sizes = {form: len(pages.render(report_documents.large(), form, tmp_path).encode()) for form in ("html", "md")}

    assert sizes["html"] < 1_500_000
    assert sizes["md"] < 65_536


def test_json_holds_the_document_as_it_is(tmp_path: Path) -> None:
    files.write_json(tmp_path / "direct.json", document())

    assert json.loads(pages.render(document(), "json", tmp_path)) == document()
    assert pages.render(document(), "json", tmp_path) == (tmp_path / "direct.json").read_text(encoding="utf-8")


def test_a_page_does_not_change_its_document() -> None:
    given = everything()

    for form in REPORT_FORMS:
        pages.render(given, form, _NOWHERE)

    assert given == everything()


def test_write_makes_a_file_of_each_format_and_says_where(tmp_path: Path) -> None:
    written = pages.write(document(), tmp_path / "new", ("md", "html"))

    assert written == [tmp_path / "new" / "report.md", tmp_path / "new" / "report.html"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)
    assert [path.read_text(encoding="utf-8") for path in written] == [pages.render(document(), form, tmp_path)
                                                                      for form in ("md", "html")]


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'pdf' is not a report format; choose from html, json, md"):
        pages.write(document(), tmp_path, ("html", "pdf"))

    assert not list(tmp_path.iterdir())


def test_a_steps_summary_grows_by_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv(pages.SUMMARY_VARIABLE, str(summary))
    pages.append_step_summary("# one ✓")
    pages.append_step_summary("two\n")

    assert summary.read_text(encoding="utf-8") == "# one ✓\ntwo\n"


def test_without_a_steps_summary_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(pages.SUMMARY_VARIABLE, "")
    pages.append_step_summary("text")
    monkeypatch.delenv(pages.SUMMARY_VARIABLE)
    pages.append_step_summary("text")

    assert not list(tmp_path.iterdir())


def test_a_steps_summary_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pages.SUMMARY_VARIABLE, str(tmp_path))

    with pytest.raises(StorageError, match=f"{re.escape(str(tmp_path))}: the step's summary cannot be written .*; let "
                                           "GITHUB_STEP_SUMMARY name a file that can be written, or unset it$"):
        pages.append_step_summary("text")


def test_pages_are_made_without_tensorflow_and_only_html_needs_matplotlib() -> None:
    script = """
import json, sys
from pathlib import Path
from quant_accuracy.reporting.page import pages
document = json.load(sys.stdin)
pages.render(document, "md", Path())
pages.render(document, "json", Path())
assert "matplotlib" not in sys.modules
pages.render(document, "html", Path())
assert "matplotlib" in sys.modules
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=str(ROOT), check=True, input=json.dumps(everything()),
                   text=True)
