"""Failures that a model card knows of: judged like everything else, not red while they last, and red once they pass."""

from dataclasses import replace
from typing import Optional

from quant_accuracy.judging.verdicts import FAIL, KNOWN, PASS, Verdict
from quant_accuracy.settings.gates import KnownFailure


def apply(verdict: Verdict, known: Optional[KnownFailure]) -> Verdict:
    """The verdict where the model card says that it fails.

    - a failure becomes `known`, and its message begins with the reason;
    - a pass becomes a failure, so that nobody goes on without a gate that holds again;
    - what is inconclusive stays so.

    Args:
        verdict: What was judged.
        known: What the card says; None where it says nothing, which leaves the verdict as it is.
    """
    if known is None:
        return verdict
    if verdict.outcome == FAIL:
        return _known(verdict, known.reason)
    judged = replace(verdict, known_failure=known.reason)
    if verdict.outcome != PASS:
        return judged
    return replace(judged, outcome=FAIL,
                   message=f"{verdict.message}; it passes now: remove {known.place} ({known.reason})")


def apply_to_part(part: Verdict, whole: Verdict, speaks_for_all: bool) -> Verdict:
    """The verdict on some of the quantizers that a check is about.

    Args:
        part: What was judged of these.
        whole: The verdict of the check on all of them, with `apply`.
        speaks_for_all: Whether it is this part that says when the failure is over: one of them has to.
    """
    if whole.known_failure is None:
        return part
    if part.outcome == FAIL:
        return _known(part, whole.known_failure)
    return whole if speaks_for_all and whole.outcome == FAIL else part


def _known(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, outcome=KNOWN, message=f"{reason}: {verdict.message}", known_failure=reason)
