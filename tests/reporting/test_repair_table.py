"""A repair outside the page: lines for the terminal, and Markdown."""

from typing import Any, Dict

import pytest
from markdown_it import MarkdownIt

from quant_accuracy.reporting import gate_table, repair_table
from tests.support.repair_documents import CARD, failed, many, repair, with_name

_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table"])
_NONE: Dict[str, Any] = {"attempts": [], "chosen": None, "found": False, "ended": "interrupted"}
_CASES = {"found": repair(), "one": many(1), "many": many(200), "none": repair(**_NONE),
          "none measured": repair(attempts=[failed()], chosen=None, found=False)}


@pytest.mark.parametrize("given", _CASES.values(), ids=list(_CASES))
def test_the_terminal_is_told_what_to_do_first_and_its_table_is_as_wide_as_others(given: Dict[str, Any]) -> None:
    lines = repair_table.lines(given)
    table = lines[lines.index("") + 1:][:4]

    assert lines[0] == f"repair: {given['line']}"
    assert table[0].startswith("attempt ")
    assert table[1].startswith("as it is")
    assert max(map(len, table)) <= gate_table.WIDTH
    assert not [line for line in lines if line != line.rstrip() or "\n" in line]


def test_lines_tell_the_figures_the_changes_and_what_was_left_out() -> None:
    lines = repair_table.lines(repair())
    rows = [" ".join(line.split()) for line in lines]

    assert "as it is before 0.4440 0.1560 0.1460 .. 0.1660 fail 4 8 0.5 120 0.2" in rows
    assert "bias correction – – – not measured – – – 120 0.2" in rows
    assert "equalization + held back 0.5768 0.0232 0.0100 .. 0.0330 inconclusive 4 8 0.5 80 0.2" in rows
    assert lines[-4:] == ["changes:", "  8 bits for box/weights:0",
                          "not judged by: mAP_baseline: it is made of the repaired card",
                          "not tried: mixed precision: time ran out"]
    assert "not measured: bias correction: no calibration images are left" in lines


def test_of_many_attempts_and_changes_lines_tell_a_few_and_where_the_rest_is() -> None:
    lines = repair_table.lines(many(200))

    assert len(lines) < 70
    assert [line for line in lines if "repair.md has all" in line] == ["  and 188 more; repair/repair.md has all",
                                                                       "  and 70 more; repair/repair.md has all"]


@pytest.mark.parametrize("name", ["[red]x[/red]", "[/]", ":smile:", "a\nb", "\x1b[2Jgone", "\u202eabc", "{x} %s"])
def test_names_cannot_change_the_terminal(name: str) -> None:
    text = "\n".join(repair_table.lines(with_name(name)))
    plain = "\n".join(repair_table.lines(with_name("zebra")))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("\n") == plain.count("\n")
    assert "".join(character if character.isprintable() else " " for character in name) in text


def test_markdown_has_the_table_and_the_card_as_it_is_and_no_html() -> None:
    text = repair_table.markdown(repair())
    tokens = _MARKDOWN.parse(text)

    assert [token.content for token in tokens if token.type == "fence"] == [CARD]
    assert not [token for token in tokens if "html" in token.type]
    assert not [child for token in tokens for child in token.children or () if "html" in child.type]
    assert "| 8 bits for all (front) | 5 | 0.5960 | 0.0040 (-0.0060 .. 0.0140) | pass |" in text
    assert "\n- not tried: mixed precision: time ran out\n" in text


def test_markdown_has_all_attempts_and_all_changes() -> None:
    text = repair_table.markdown(many(200))

    assert text.count("16 bits for FeatureExtractor/") == 90
    assert text.count(" activations") == 199


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a|b", "```\n```", "````", "</details>",
                                  "`code` **bold**", "[text](there)", "&lt;", "# 1. - > |", "{{ line }}{% raw %}",
                                  "two\r\nlines", "\ud83e"])
def test_names_cannot_change_the_markdown(name: str) -> None:
    kinds = [[token.type for token in _MARKDOWN.parse(repair_table.markdown(with_name(given)))]
             for given in (name, "zebra")]

    assert kinds[0] == kinds[1]
