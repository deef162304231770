"""The sentence that says what to do."""

from dataclasses import replace
from typing import Any

import pytest

from quant_accuracy.base.words import TFLITE
from quant_accuracy.repair import answer
from quant_accuracy.repair.attempts import Attempt, Candidate
from quant_accuracy.repair.goal import Goal
from quant_accuracy.repair.plan import EXHAUSTED, INTERRUPTED, TIME, Plan
from quant_accuracy.repair.search import Outcome
from quant_accuracy.repair.split import Split
from quant_accuracy.repair.tries import Proof
from quant_accuracy.settings.card import ModelCard


@pytest.mark.parametrize(("gates", "agrees", "error", "proved", "said"), [
    ({"mAP_drop": "pass", "class_AP_drop": "fail"}, "pass", None, True, "misses class_AP_drop (fail); nothing is left"),
    ({"mAP_drop": "pass"}, "fail", None, True, "and the images that were held back contradict; nothing is left"),
    ({"mAP_drop": "pass"}, None, None, False, "not yet measured on all images; it was interrupted"),
    ({}, None, "the disk is full", True, "and could not be measured on all images: the disk is full; nothing is left"),
], ids=["a class", "held back", "interrupted", "error"])
def test_why_what_comes_closest_is_no_repair_is_said(gates: Any, agrees: Any, error: Any, proved: bool,
                                                     said: str, demo_card: ModelCard) -> None:
    before = Attempt(Candidate("as it is", (), demo_card), 40, 0.4, 0.2, None, {"mAP_drop": "fail"}, None, 1.0)
    found = replace(before, candidate=Candidate("scheme tf", ("scheme",), demo_card), drop=0.01, gates=gates,
                    error=error)
    proof = Proof(found, None, agrees, False)
    outcome = Outcome(before, [found], [proof] if proved else [], proof, EXHAUSTED if proved else INTERRUPTED,
                      Split([], [], "there is one shard only"), Goal(0.6, 0.02), 1.0, [])

    assert f", where the gates allow 0.0200, {said}" in answer.line(outcome, demo_card, Plan())


@pytest.mark.parametrize(("goal", "strict", "said"), [
    (Goal(0.6, -0.1, ("mAP_floor 0.7",)), False,
     "no repair: the float variant itself (mAP 0.6000) misses mAP_floor 0.7, so no way to quantize it passes; "),
    (Goal(0.6, None, (), ("mAP_floor",)), True,
     "no repair: on so few images not even the float variant passes mAP_floor for sure, and inconclusive "),
])
def test_what_is_out_of_reach_is_said_to_be(goal: Goal, strict: bool, said: str, demo_card: ModelCard) -> None:
    before = Attempt(Candidate("as it is", (), demo_card), 40, 0.4, 0.2, None, {"mAP_floor": "fail"}, None, 1.0)
    outcome = Outcome(before, [], [], None, EXHAUSTED, Split([], []), goal, 1.0, [])

    assert answer.line(outcome, demo_card, Plan(strict=strict)).startswith(said)


@pytest.mark.parametrize("ended", [TIME, INTERRUPTED])
def test_without_a_cache_no_second_call_is_said_to_resume(ended: str, demo_card: ModelCard) -> None:
    before = Attempt(Candidate("as it is", (), demo_card), 40, 0.4, 0.2, None, {"mAP_drop": "fail"}, None, 1.0)
    outcome = Outcome(before, [], [], None, ended, Split([], []), Goal(0.6, 0.02), 1.0, [])

    assert answer.line(outcome, demo_card, Plan()).endswith("resumes")
    assert "resumes" not in answer.line(outcome, demo_card, Plan(keeps=False))


def test_a_gate_that_stays_inconclusive_is_named_and_is_not_what_a_search_misses(demo_card: ModelCard) -> None:
    goal, gates = Goal(0.6, 0.02, (), ("mAP_floor",)), {"mAP_drop": "pass", "mAP_floor": "inconclusive"}
    before = Attempt(Candidate("as it is", (), demo_card), 40, 0.4, 0.2, None, {"mAP_drop": "fail"}, None, 1.0)
    found = replace(before, candidate=Candidate("scheme tf", ("scheme",), demo_card), drop=0.01, gates=gates)

    repaired, missed = (answer.line(Outcome(before, [item], [proof], proof, EXHAUSTED, Split([], [], "one"), goal, 1.0,
                                            []), demo_card, Plan())
                        for item in (found, replace(found, gates={**gates, "mAP_drop": "fail"}))
                        for proof in [Proof(item, None, None, item is found)])

    assert "every gate that was judged passes, but for mAP_floor: inconclusive" in repaired
    assert ", misses mAP_drop (fail); " in missed


def test_a_device_that_no_gate_judges_is_said_not_to_be_measured(demo_card: ModelCard) -> None:
    assert answer.left_out(replace(demo_card, gates=(), device=TFLITE)) == [
        "tflite: the device is not measured for each try; run the repaired card with it"]


@pytest.mark.parametrize(("allowed", "said"), [(0.02, ", too few images to be sure; "),
                                               (None, ", which no gate limits; ")])
def test_a_drop_on_unseen_images_is_held_against_a_gate_on_map_only(allowed: Any, said: str,
                                                                     demo_card: ModelCard) -> None:
    before = Attempt(Candidate("as it is", (), demo_card), 40, 0.4, 0.2, None, {"class_AP_drop": "fail"}, None, 1.0)
    found = replace(before, candidate=Candidate("scheme tf", ("scheme",), demo_card), drop=0.01,
                    gates={"class_AP_drop": "pass"})
    proof = Proof(found, found, "inconclusive", True)

    outcome = Outcome(before, [found], [proof], proof, EXHAUSTED, Split([], []), Goal(0.6, allowed), 1.0, [])

    assert said in answer.line(outcome, demo_card, Plan())
