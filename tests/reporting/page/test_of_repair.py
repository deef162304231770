"""What pages tell of a repair: what to do, what was measured, and what choosing the best of many is worth."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List

import pytest

from quant_accuracy.reporting.page import of_repair, pages, views
from quant_accuracy.reporting.page.tables import Table
from tests.support import report_documents
from tests.support.repair_documents import attempt, chosen, failed, many, repair

_CLOSEST = {"found": False, "ended": "exhausted", "not_held_back": "there is one shard only",
            "chosen": chosen("equalization", held_back=None, agrees=None)}


def _texts(table: Table) -> List[List[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def _column(table: Table, name: str) -> List[str]:
    place = [column.name for column in table.columns].index(name)
    return [row[place] for row in _texts(table)]


def test_attempts_stand_in_the_order_of_measurement_between_the_start_and_the_proof() -> None:
    shown = of_repair.view(repair())["all"]

    assert [(row[0].text, row[0].small) for row in shown.rows] == [
        ("as it is", "before"), ("scheme tf", ""), ("equalization", ""), ("bias correction", ""),
        ("equalization + AdaRound", "chosen, front"), ("8 bits for all", "front"),
        ("equalization + AdaRound", "chosen, all images"), ("equalization + AdaRound", "chosen, held back")]
    assert _column(shown, "#") == ["0", "1", "2", "3", "4", "5", "–", "–"]
    assert _column(shown, "images") == ["120"] * 6 + ["200", "80"]
    assert shown.marked == [0, 4, 6, 7]


def test_a_row_has_the_figures_of_its_attempt() -> None:
    shown = of_repair.view(repair(attempts=[attempt("mixed", 0.0123, 0.53125, weight_bits=4.26, seconds=90.0)],
                                  chosen=None))["all"]

    assert _texts(shown)[1] == ["mixed", "1", "0.5877", "0.0123", "pass", "all 2 pass", "4.26", "8", "0.531", "120",
                                "1.5"]
    assert shown.rows[1][3].small == "0.0023\N{NO-BREAK SPACE}.. 0.0223"


def test_an_attempt_that_could_not_be_measured_has_dashes_and_its_reason() -> None:
    shown = of_repair.view(repair(attempts=[failed(error="pair (a, b): no positive scale")], chosen=None))["all"]

    assert _texts(shown)[1] == ["bias correction", "1", "–", "–", "not measured", "pair (a, b): no positive scale", "–",
                                "–", "–", "120", "0.2"]


def test_gates_that_are_not_passed_are_named_with_what_they_say() -> None:
    judged = {"mAP_drop": "fail", "mAP_floor": "pass", "class_AP_drop": "inconclusive"}

    assert of_repair.gates(attempt(gates=judged)) == "fail: mAP_drop; inconclusive: class_AP_drop"
    assert of_repair.gates(attempt(gates={})) == "–"


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "The best of 4 attempts, measured again on 80 images that the search did not use: mAP 0.5768, drop 0.0232 "
         "(0.0100 .. 0.0330), inconclusive; too few images to be sure of the drop."),
    ({"attempts": [attempt("equalization + AdaRound", 0.018)]}, "The only attempt, measured again on 80 images"),
    (_CLOSEST, "The best of 4 attempts, on the images it was chosen on; on others it may do worse (there is one shard "
               "only)."),
    ({"chosen": chosen(held_back=failed(error="time ran out"), agrees=None)}, "not measured, time ran out."),
])
def test_the_best_of_many_is_told_by_images_that_it_was_not_chosen_by(changes: Dict[str, Any], said: str) -> None:
    assert said in of_repair.proof(repair(**{"found": False, **changes})).replace("\N{NO-BREAK SPACE}", " ")


def test_of_what_was_found_the_line_says_so_once() -> None:
    assert of_repair.proof(repair()) == ""


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "5 attempts (1 not measured) on 120 of 200 images; 80 were held back. Took 5.2 of 30 minutes. The search "
         "stopped"),
    ({"ended": "time"}, "The search ran out of time."),
    ({"ended": "interrupted"}, "The search was interrupted."),
    ({"ended": "exhausted"}, "The search had nothing left to try."),
    ({"attempts": [attempt()], "images": {"search": 40, "held_back": 0, "all": 40}}, "1 attempt on 40 images. Took"),
    ({"attempts": []}, "0 attempts on 120 of 200 images"),
    ({"images": {"search": 120, "held_back": 80, "all": 0}}, "5 attempts (1 not measured) on 120 images; 80 were held"),
])
def test_the_effort_and_how_it_ended_are_told(changes: Dict[str, Any], said: str) -> None:
    assert said in of_repair.effort(repair(**changes))


def test_what_does_not_pass_is_the_closest_and_not_the_chosen_one() -> None:
    shown = of_repair.view(repair(**_CLOSEST))["all"]

    assert [row[0].small for row in shown.rows if "closest" in row[0].small] == ["closest", "closest, all images"]
    assert not [row for row in shown.rows if "chosen" in row[0].small]


def test_of_many_attempts_the_start_the_best_of_the_front_and_the_chosen_one_are_shown_and_the_rest_is_folded() -> None:
    shown = of_repair.view(many(200))

    assert shown["folded"]
    assert len(shown["all"].rows) == 203
    assert len(shown["few"].rows) == of_repair.FEW + 3
    assert _column(shown["few"], "#")[:2] == ["0", "145"]
    assert _column(shown["few"], "#")[-3:] == ["200", "–", "–"]
    assert not of_repair.view(repair())["folded"]


def test_the_front_is_what_the_document_says_cheapest_first_and_without_what_has_no_figures() -> None:
    found = repair(before=attempt("as it is", 0.1, 0.25, front=True),
                   attempts=[attempt("dear", 0.01, 2.0, front=True), {**failed(), "front": True},
                             attempt("beaten", 0.2, 0.5), attempt("cheap", 0.03, 0.5, front=True)])

    assert [place for place, _ in of_repair.front(found)] == [0, 4, 1]


@lru_cache(maxsize=None)
def _page(kind: str, form: str) -> str:
    card = "base: a\nname: 'b <c> & d'\n  deeper: |\n    text\n"
    given = {"found": repair(chosen=chosen(card=card)), "many": many(200), "no repair": None,
             "nothing tried": repair(attempts=[], chosen=None, found=False, ended="interrupted")}[kind]
    return pages.render(report_documents.document(repair=given), form, Path())


@pytest.mark.parametrize("form", ["html", "md"])
@pytest.mark.parametrize("kind", ["found", "many", "nothing tried"])
def test_pages_say_what_to_do_before_the_gates(form: str, kind: str) -> None:
    text = _page(kind, form)

    assert "equalization + AdaRound passes every gate with weights at 4 bits." in text
    assert text.index("passes every gate with weights at 4 bits.") < text.index("well below")


@pytest.mark.parametrize("form", ["html", "md"])
def test_pages_without_a_repair_have_no_word_of_it(form: str) -> None:
    assert not re.search('[Rr]epair', _page("no repair", form).split("</style>")[-1])


def test_the_navigation_leads_to_the_section() -> None:
    text = _page("found", "html")

    assert '<a href="#repair">Repair</a>' in text
    assert '<section id="repair">' in text


def test_the_card_can_be_copied_as_it_stands() -> None:
    (found,) = re.findall(r'<pre class="command"><code id="repair-card"[^>]*>(.*?)</code></pre>',
                          _page("found", "html"), re.DOTALL)

    assert found == "base: a\nname: &#39;b &lt;c&gt; &amp; d&#39;\n  deeper: |\n    text"


def test_long_lists_of_changes_and_attempts_are_folded_but_whole() -> None:
    few, text = _page("found", "html"), _page("many", "html").replace("<wbr>", "")

    assert text.count("16 bits for FeatureExtractor/") == 90
    assert re.findall("<summary>(.*(?:more|measured).*)</summary>", text) == [
        "82 more", "Everything that was measured (203)"]
    assert not re.findall("<summary>(.*(?:more|measured).*)</summary>", few)


def test_many_attempts_leave_the_page_small() -> None:
    added = {form: len(_page("many", form)) - len(_page("no repair", form)) for form in ("html", "md")}

    assert added["html"] < 350_000
    assert added["md"] < 10_000


def test_a_view_does_not_change_its_document() -> None:
    given = report_documents.document(repair=many(30))

    views.view(given)

    assert given == report_documents.document(repair=many(30))


def test_what_an_interrupted_search_has_not_measured_on_all_images_is_not_shown_as_if_it_had() -> None:
    closest = chosen("equalization", all=attempt("equalization", 0.05), held_back=None, agrees=None)

    found = of_repair.rows(repair(found=False, ended="interrupted", chosen=closest))

    assert [row.remark for row in found if row.remark] == ["before", "closest", "front", "front"]
    assert "on 120 of 200 images" in of_repair.effort(repair(found=False, chosen=closest))
    assert of_repair.proof(repair(found=False, chosen=closest)).endswith("on others it may do worse.")
