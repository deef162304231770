"""The answer to "and now?": one sentence, and everything that it rests on, JSON-like."""

from typing import Any, Dict, List, Optional, Sequence

from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS
from quant_accuracy.repair import attempts, card_file
from quant_accuracy.repair.attempts import Attempt
from quant_accuracy.repair.plan import EXHAUSTED, INTERRUPTED, TIME, Plan
from quant_accuracy.repair.search import Outcome
from quant_accuracy.repair.tries import Proof
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE, OF_DEVICE, OF_QUANTIZATION

_ENDED = {EXHAUSTED: "nothing is left to be tried",
          TIME: "time ran out; the same command with a larger --budget resumes",
          INTERRUPTED: "it was interrupted; the same command resumes"}
_NOTHING_KEPT = {TIME: "time ran out; give a larger --budget, and leave out --no-cache, which keeps nothing",
                 INTERRUPTED: "it was interrupted, and --no-cache keeps nothing of it"}
_NO_DEVICE = "the device is not measured for each try; run the repaired card with it"


def line(outcome: Outcome, given: ModelCard, plan: Plan) -> str:
    """What to do, in one sentence."""
    chosen = outcome.chosen
    if outcome.goal.out_of_reach(plan.strict):
        return f"no repair: {_out_of_reach(outcome)}"
    if chosen is None:
        return f"no repair: nothing that was measured is better than the card as it is; {_ended(outcome, plan)}"
    name = chosen.whole.candidate.name
    if not chosen.accepted:
        return (f"no repair: {name} comes closest, with a drop of {_figure(chosen.whole.drop)} on "
                f"{chosen.whole.images} images{_limit(outcome)}"
                f"{_lacking(outcome, chosen, plan)}; {_ended(outcome, plan)}")
    return (f"use {card_file.name_of(given)}: {name}; on all {chosen.whole.images} images the drop is "
            f"{_figure(chosen.whole.drop)}, and every gate that was judged passes{_inconclusive(chosen.whole)}"
            f"{_unseen(outcome, chosen)}; make its baseline with --update-baselines")


def _out_of_reach(outcome: Outcome) -> str:
    """Why no way to quantize the float variant passes, and where to look instead."""
    goal = outcome.goal
    if goal.impossible:
        return (f"the float variant itself (mAP {goal.of_float:.4f}) misses {', '.join(goal.impossible)}, so no way to "
                "quantize it passes; look at its checkpoint, preprocessing and data, or at the limit")
    return (f"on so few images not even the float variant passes {', '.join(goal.unsure)} for sure, and inconclusive "
            "is red with --strict; evaluate more shards, or leave --strict out")


def _ended(outcome: Outcome, plan: Plan) -> str:
    return (_ENDED if plan.keeps else {**_ENDED, **_NOTHING_KEPT}).get(outcome.ended, "")


def _limit(outcome: Outcome) -> str:
    return "" if outcome.goal.allowed is None else f", where the gates allow {outcome.goal.allowed:.4f}"


def _lacking(outcome: Outcome, chosen: Proof, plan: Plan) -> str:
    """Why what comes closest is no repair, where its drop alone does not say it."""
    whole = chosen.whole
    if whole.error is not None:
        return f", and could not be measured on all images: {whole.error}"
    if chosen not in outcome.proofs:
        return ", not yet measured on all images"
    missed = [f"{gate} ({said})" for gate, said in whole.gates.items()
              if not outcome.goal.accepts({gate: said}, plan.strict)]
    if missed:
        return f", misses {', '.join(missed)}"
    return ", and the images that were held back contradict" if chosen.agrees == FAIL else ""


def _inconclusive(whole: Attempt) -> str:
    unsure = [gate for gate, said in whole.gates.items() if said == INCONCLUSIVE]
    return f", but for {' and '.join(unsure)}: inconclusive" if unsure else ""


def _unseen(outcome: Outcome, chosen: Proof) -> str:
    held, tries = chosen.held_back, len(outcome.attempts)
    if held is None or held.drop is None:
        return f" (the best of {tries}; no images were held back: {outcome.split.reason})"
    otherwise = "which no gate limits" if outcome.goal.allowed is None else "too few images to be sure"
    known = {PASS: "within what the gates allow", FAIL: "beyond what the gates allow"}
    says = known.get(chosen.agrees or "", otherwise)
    interval = "" if held.interval is None else f" ({held.interval.low:.4f} .. {held.interval.high:.4f})"
    return (f"; the best of {tries}, measured again on {held.images} images that the search did not use: "
            f"{held.drop:.4f}{interval}, {says}")


def as_document(outcome: Outcome, given: ModelCard, plan: Plan, images: int, float_map: Optional[float],
                card_text: str, written: Sequence[str]) -> Dict[str, Any]:
    """JSON-like, as the reports show it.

    Args:
        outcome: What the search has found.
        given: The red card.
        plan: What could be tried.
        images: How many all images are, for a search that has measured nothing on them.
        float_map: The mAP of the float variant on all images.
        card_text: The card of what was chosen; empty where nothing was.
        written: The files of what was chosen, relative to the report.
    """
    every = [outcome.before, *outcome.attempts]
    front = attempts.on_front(every)
    listed = [_attempt(item, on_front) for item, on_front in zip(every, front)]
    split = outcome.split
    return {
        "line": line(outcome, given, plan), "found": outcome.repaired, "ended": outcome.ended,
        "seconds": outcome.seconds, "budget_minutes": plan.minutes, "allowed_drop": outcome.goal.allowed,
        "images": {"search": outcome.before.images, "held_back": sum(shard.records for shard in split.held_back),
                   "all": max([proof.whole.images for proof in outcome.proofs], default=0) or images},
        "not_held_back": split.reason,
        "gates": [gate.name for gate in given.gates if gate.name in OF_QUANTIZATION],
        "left_out": left_out(given),
        "float": {"search": None if outcome.before.mean_ap is None or outcome.before.drop is None
                  else outcome.before.mean_ap + outcome.before.drop, "all": float_map},
        "before": listed[0], "attempts": listed[1:],
        "chosen": None if outcome.chosen is None else _chosen(outcome.chosen, given, card_text, written),
        "without": list(outcome.unfinished),
    }


def left_out(card: ModelCard) -> List[str]:
    """The gates that a repair is not judged by, and the device that is not measured, each with the reason."""
    reasons = {**dict.fromkeys(OF_BASELINE, "the baseline is that of the original card"),
               ENCODINGS_DRIFT: "the snapshot is that of the original card",
               **dict.fromkeys(OF_DEVICE, _NO_DEVICE)}
    found = [f"{gate.name}: {reasons[gate.name]}" for gate in card.gates if gate.name in reasons]
    if card.device is not None and not any(gate.name in OF_DEVICE for gate in card.gates):
        found.append(f"{card.device}: {_NO_DEVICE}")
    return found + [f"{gate.name}: about the float variant" for gate in card.gates
                    if gate.name not in reasons and gate.name not in OF_QUANTIZATION]


def _attempt(attempt: Attempt, front: bool = False) -> Dict[str, Any]:
    ratio = None
    if attempt.mean_ap is not None and attempt.drop is not None and attempt.mean_ap + attempt.drop > 0:
        ratio = attempt.mean_ap / (attempt.mean_ap + attempt.drop)
    cost = attempt.cost
    return {
        "name": attempt.candidate.name, "remedies": list(attempt.candidate.remedies), "images": attempt.images,
        "mAP": attempt.mean_ap, "drop": attempt.drop,
        "drop_interval": None if attempt.interval is None else list(attempt.interval), "ratio": ratio,
        "gates": dict(attempt.gates), "outcome": attempt.outcome,
        "weight_bits": cost and cost.weight_bits, "activation_bits": cost and cost.activation_bits,
        "bit_operations": cost and cost.bit_operations, "seconds": attempt.seconds, "front": front,
        "error": attempt.error,
    }


def _chosen(proof: Proof, given: ModelCard, card_text: str, written: Sequence[str]) -> Dict[str, Any]:
    card = proof.whole.candidate.card
    return {"name": proof.whole.candidate.name, "all": _attempt(proof.whole),
            "held_back": None if proof.held_back is None else _attempt(proof.held_back), "agrees": proof.agrees,
            "card": card_text, "changes": card_file.changes(given, card), "files": list(written)}


def _figure(value: Optional[float]) -> str:
    return "unknown" if value is None else f"{value:.4f}"
