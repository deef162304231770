"""The pages of a report: what they show, and that names from outside cannot change what they are."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest
from markdown_it import MarkdownIt

from quant_accuracy import files, options
from quant_accuracy.error_kinds import KINDS
from quant_accuracy.errors import ConfigurationError
from quant_accuracy.metrics import FIGURES
from quant_accuracy.reporting import pages

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_HOSTILE = ["<script>alert(1)</script>", "a|b", "a\\|b\\", "two\nlines\r\nor three", "</details></table><img src=x>",
            "`code` **bold** _this_ ~~gone~~ $x$", "[text](there) ![picture](there)", "&lt;b&gt; &amp;",
            "'\" onclick=x", "__init__ snake_case _private", "{{ model }}{% raw %}", "<!-- hidden", "# 1. - > |"]


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


def _read(document: Dict[str, Any], form: str) -> _Page:
    text = pages.render(document, form)
    return _Page(text if form == "html" else _MARKDOWN.render(text))


def _verdict(gate: str = "mAP_drop", **changes: Any) -> Dict[str, Any]:
    return {"gate": gate, "value": 0.01, "lower": None, "upper": 0.02, "outcome": "pass", "message": "well below",
            "interval": [0.008, 0.01234], "jitter": 0.000031, **changes}


def _variant(mean_ap: float, **per_class: Optional[float]) -> Dict[str, Any]:
    figures: Dict[str, Optional[float]] = {name: mean_ap + index / 100 for index, name in enumerate(FIGURES)}
    return {"figures": {**figures, "AP_small": None}, "per_class": per_class, "images": 40, "detections": 4000}


def _document(**changes: Any) -> Dict[str, Any]:
    return {
        "schema_version": 1,
        "model": "some_model",
        "images": 40,
        "shards": "0-3,7",
        "metrics": {"float": _variant(0.6, cat=0.5, dog=0.7, emu=None, fox=0.4),
                    "quantized": _variant(0.58768, cat=0.49, dog=0.65, emu=None, fox=0.41)},
        "mAP_drop": 0.01232,
        "verdicts": [_verdict()],
        "errors": {name: {"ap50": 0.8, "counts": dict.fromkeys(KINDS, 1234), "dap": {**dict.fromkeys(KINDS, dap),
                                                                                     "missed": None}}
                   for name, dap in (("float", 0.11), ("quantized", 0.125), ("difference", 0.015))},
        "quantizers": [{"enabled": number < 163} for number in range(278)],
        "batch_norms_left": [{"batch_norm": "tower/norm", "reason": "read twice"}],
        "provenance": {"batch_size": 1, "simulator": "builtin", "shards": {"val-00000": "12ab"}, "seed": None},
        **changes,
    }


@pytest.mark.parametrize("form", ["html", "md"])
def test_the_numbers_of_the_document_appear(form: str) -> None:
    page = _read(_document(), form)

    assert ["mAP", "0.6000", "0.5877", "0.0123"] in page.rows
    assert ["AR_large", "0.7100", "0.6977", "0.0123"] in page.rows
    assert ["duplicate", "0.1100", "0.1250", "0.0150", "1,234", "1,234"] in page.rows
    assert ["missed", "–", "–", "–", "1,234", "1,234"] in page.rows
    assert ["mAP_drop", "0.0100", "<= 0.02", "0.0080 .. 0.0123", "±0.0000", "pass", "well below"] in page.rows
    assert [row[0] for row in page.rows if row[0] in FIGURES] == list(FIGURES)
    for shown in ("some_model", "0-3,7", "40"):
        assert shown in page.text


def test_the_html_page_tells_what_the_figures_come_from() -> None:
    rows = _read(_document(), "html").rows

    for row in (["total", "278"], ["enabled", "163"], ["tower/norm", "read twice"], ["batch_size", "1"],
                ["simulator", "builtin"], ["val-00000", "12ab"], ["seed", "–"]):
        assert row in rows


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("lower", "upper", "limit"), [
    (0.57, None, ">= 0.57"), (None, 0.02, "<= 0.02"), (0.2439, 0.2499, "0.2439 .. 0.2499"), (None, None, "–"),
])
def test_a_limit_reads_as_a_person_writes_it(form: str, lower: Optional[float], upper: Optional[float],
                                             limit: str) -> None:
    page = _read(_document(verdicts=[_verdict("this", lower=lower, upper=upper)]), form)

    assert [row[2] for row in page.rows if row[0] == "this"] == [limit]


@pytest.mark.parametrize("form", ["html", "md"])
def test_missing_figures_show_as_a_dash(form: str) -> None:
    page = _read(_document(verdicts=[_verdict("this", value=None, interval=None, jitter=None)], mAP_drop=None), form)

    assert ["this", "–", "<= 0.02", "–", "–", "pass", "well below"] in page.rows
    assert ["AP_small", "–", "–", "–"] in page.rows
    assert ["emu", "–", "–", "–"] in page.rows
    assert "None" not in page.text


@pytest.mark.parametrize("form", ["html", "md"])
def test_classes_come_worst_first_and_those_without_a_figure_last(form: str) -> None:
    rows = _read(_document(), form).rows

    assert [row[0] for row in rows if row[0] in ("cat", "dog", "emu", "fox")] == ["dog", "cat", "fox", "emu"]


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_drop_that_rounds_to_zero_has_no_sign(form: str) -> None:
    metrics = {"float": _variant(0.6, cat=0.5), "quantized": _variant(0.6, cat=0.50001)}

    assert ["cat", "0.5000", "0.5000", "0.0000"] in _read(_document(metrics=metrics), form).rows


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize(("outcomes", "overall", "counts"), [
    (["pass", "pass"], "pass", "2 gates: 2 pass"),
    (["pass", "inconclusive"], "inconclusive", "2 gates: 1 pass, 1 inconclusive"),
    (["inconclusive", "fail", "pass"], "fail", "3 gates: 1 pass, 1 fail, 1 inconclusive"),
    (["fail"], "fail", "1 gate: 1 fail"),
    ([], "no gates", "the model card names no gates"),
])
def test_the_page_opens_with_the_worst_verdict(form: str, outcomes: Sequence[str], overall: str, counts: str) -> None:
    page = _read(_document(verdicts=[_verdict(outcome=outcome) for outcome in outcomes]), form)
    opening = page.text[page.text.index("some_model"):]

    assert opening.startswith(f"some_model: {overall}\n")
    assert counts in opening


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize("form", ["html", "md"])
def test_a_name_from_outside_is_shown_as_it_stands_and_changes_nothing_else(form: str, name: str) -> None:
    metrics = {variant: _variant(0.6, **{name: 0.5}) for variant in ("float", "quantized")}
    plain = {variant: _variant(0.6, cat=0.5) for variant in ("float", "quantized")}
    shown = " ".join(name.split())

    page = _read(_document(metrics=metrics, model=name, shards=name, provenance={name: name},
                           verdicts=[_verdict(name, message=name)]), form)
    expected = _read(_document(metrics=plain, provenance={"a": "b"}), form)

    assert page.tags == expected.tags
    assert sorted(page.attributes) == sorted(expected.attributes)
    assert [len(row) for row in page.rows] == [len(row) for row in expected.rows]
    assert [shown, "0.5000", "0.5000", "0.0000"] in page.rows
    assert [row[-1] for row in page.rows if row[0] == shown and len(row) == 7] == [shown]
    assert shown in " ".join(page.text.split())


def test_markdown_escapes_dollars_which_github_reads_as_mathematics() -> None:
    assert r"\$x\$" in pages.render(_document(model="$x$"), "md")


def test_the_html_page_needs_no_other_file_and_runs_nothing() -> None:
    text = pages.render(_document(), "html")
    page = _Page(text)

    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"} & set(page.tags)
    assert not {"src", "href", "srcset", "action", "data", "style"} & set(page.attributes)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not [sign for sign in ("http:", "https:", "url(", "@import", "//") if sign in text.lower()]


def test_json_holds_the_document_as_it_is(tmp_path: Path) -> None:
    files.write_json(tmp_path / "direct.json", _document())

    assert json.loads(pages.render(_document(), "json")) == _document()
    assert pages.render(_document(), "json") == (tmp_path / "direct.json").read_text(encoding="utf-8")


def test_a_page_does_not_change_its_document() -> None:
    document = _document()

    for form in options.REPORT_FORMS:
        pages.render(document, form)

    assert document == _document()


def test_write_makes_a_file_of_each_format_and_says_where(tmp_path: Path) -> None:
    written = pages.write(_document(), tmp_path / "new", ("md", "html"))

    assert written == [tmp_path / "new" / "report.md", tmp_path / "new" / "report.html"]
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)
    assert [path.read_text(encoding="utf-8") for path in written] == [pages.render(_document(), form)
                                                                      for form in ("md", "html")]


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'pdf' is no format of a report; choose from html, json, md"):
        pages.write(_document(), tmp_path, ("html", "pdf"))

    assert not list(tmp_path.iterdir())


def test_pages_are_made_without_tensorflow() -> None:
    script = "import sys; from quant_accuracy.reporting import pages; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], cwd=str(options.ROOT)).returncode == 0
