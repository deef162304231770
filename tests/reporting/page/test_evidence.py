"""Links from verdicts to what proves them, and back."""

from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.reporting.page import evidence, pages
from quant_accuracy.reporting.page.tables import Link
from quant_accuracy.settings.gates import CHECKS, GATES
from tests.support.report_documents import changed_image, check, depth, device, document, past_run, verdict, why

_DRIFT = "2 of 3 encodings moved:\n  box/weights:0: [0, 1] -> [0, 2], 100 %\n  gone/weights:0: no range"


def _red(*verdicts: Any) -> Dict[str, Any]:
    """A report with all parts that prove something."""
    return document(
        verdicts=list(verdicts), why=why(), device=device(changed_images=[changed_image(3, "images/3.jpg")]),
        device_depth=depth(7), changed_images=[changed_image(17, "images/17.jpg")], history=[past_run()],
        snapshot={"differences": ["~ conv/bias:0: 8 bits -> off (rule: params: bias)", "- gone:0: lost its quantizer"],
                  "moved": [{"tensor": "box/weights:0", "change": 1.0, "before": [0.0, 1.0], "after": [0.0, 2.0]}]})


def test_what_passes_needs_no_proof() -> None:
    found = evidence.find(_red(verdict(), check()))

    assert list(found.of_verdict) == [[], []]
    assert not found.of_section
    assert not found.of_quantizer


@pytest.mark.parametrize("outcome", ["fail", "inconclusive", "known"])
@pytest.mark.parametrize("name", [*GATES, *CHECKS])
def test_every_gate_and_check_that_does_not_pass_leads_to_what_proves_it_and_back(name: str, outcome: str) -> None:
    make = check if name in CHECKS or name == "encodings_drift" else verdict
    found = evidence.find(_red(verdict("other"), make(name, outcome=outcome)))

    assert not found.of_verdict[0]
    assert found.of_verdict[1]
    for link in found.of_verdict[1]:
        assert Link(f"{name} ({outcome})", "verdict-1") in found.of_section[link.anchor]


def test_parts_that_a_page_does_not_have_are_not_linked() -> None:
    bare = document(verdicts=[verdict(outcome="fail"), verdict("device_mAP_drop", outcome="fail"),
                              check("batch_norms_folded", outcome="fail")], batch_norms_left=[])

    assert evidence.find(bare).of_verdict == [[Link("figures", "figures")], [], []]


def test_quantizers_that_a_message_names_are_linked_both_ways() -> None:
    found = evidence.find(_red(check("encodings_drift", outcome="fail", message=_DRIFT)))

    assert [link for link in found.of_verdict[0] if link.text.startswith("#")] == [Link("#4", "quantizer-4")]
    assert found.of_quantizer == {"box/weights:0": [Link("encodings_drift (fail)", "verdict-0")]}


def test_lines_of_the_snapshot_lead_to_quantizers_that_there_still_are() -> None:
    assert [link.anchor for link in evidence.snapshot(_red())] == ["quantizer-2", ""]


def test_the_page_leads_from_its_badge_to_a_red_gate_and_on_to_images_and_quantizers() -> None:
    page = pages.render(_red(verdict("AP", outcome="pass"), check("encodings_drift", outcome="fail", message=_DRIFT),
                             verdict("mAP_drop", outcome="fail")), "html", Path())
    text = " ".join(page.split())

    assert '<a class="verdict fail" href="#verdict-2">fail</a>' in text
    assert 'id="verdict-2"' in text
    assert '<a href="#culprits">which quantizers</a>, <a href="#lies">where the drop lies</a>' in text
    # From where the drop lies to the picture of an image that has one; from the culprits to a row.
    assert 'drop is 0.0042: <a href="#image-17">17</a>, 4.' in text
    assert '<li><a href="#quantizer-4">box/<wbr>weights:0' in text
    assert text.count('<a href="#verdict-2">mAP_drop (fail)</a>') == len(("figures", "culprits", "lies", "images"))
    for anchor in ("image-17", "quantizer-4", "device-image-3", "run", "why", "culprits", "lies", "snapshot"):
        assert f'id="{anchor}"' in text
