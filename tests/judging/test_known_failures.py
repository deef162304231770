from dataclasses import replace
from typing import Any, Optional

import numpy as np
import pytest

from quant_accuracy.judging import gates, jitter, known_failures
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import CHECK, FAIL, INCONCLUSIVE, KNOWN, PASS, Classes, Figures, Verdict
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages
from quant_accuracy.settings.gates import Gate, KnownFailure
from quant_accuracy.why import goal

_REASON = "w4a8 until the next training, #123"
_PLACE = "gates.mAP_drop.known_failure in models/mine.yaml"
_KNOWN = KnownFailure(_REASON, _PLACE)


def _metrics(mean_ap: float) -> Metrics:
    return Metrics({"mAP": mean_ap}, {"car": mean_ap}, 10, 100)


def _figures(before: float, after: float, **more: Any) -> Figures:
    images = np.array([40])
    classes = Classes(ClassImages(images, images), np.zeros(1), images)
    known = {"part": None, "shard_maps": None, "baseline": None, "jitter": None, "provenance": {}, **more}
    return Figures(_metrics(before), _metrics(after), classes, model="--model mine", **known)


def _judged(gate: Gate, figures: Figures) -> Verdict:
    return gates.judge([gate], figures)[0]


@pytest.mark.parametrize(("gate", "before", "after"), [
    (Gate("float_mAP", 0.01, 0.6), 0.5, 0.5),
    (Gate("float_mAP_floor", 0.6), 0.5, 0.5),
    (Gate("mAP_floor", 0.6), 0.7, 0.5),
    (Gate("mAP_drop", 0.005), 0.7, 0.5),
    (Gate("mAP_ratio", 0.99), 0.7, 0.5),
    (Gate("class_AP_drop", 0.05), 0.7, 0.5),
])
def test_a_failure_that_is_known_is_told_apart_with_its_reason_and_its_numbers(gate: Gate, before: float,
                                                                               after: float) -> None:
    figures = _figures(before, after)
    failed = _judged(gate, figures)

    verdict = _judged(replace(gate, known_failure=_KNOWN), figures)

    assert failed.outcome == FAIL
    assert verdict == replace(failed, outcome=KNOWN, message=f"{_REASON}: {failed.message}", known_failure=_REASON)


def test_a_known_failure_that_passes_is_red_and_says_what_to_remove_where() -> None:
    verdict = _judged(Gate("mAP_drop", 0.005, None, _KNOWN), _figures(0.5, 0.499))

    assert (verdict.outcome, verdict.known_failure) == (FAIL, _REASON)
    assert verdict.message.startswith("mAP drop 0.0010 is at most 0.005")
    assert verdict.message.endswith(f"; it passes now: remove {_PLACE} ({_REASON})")


def test_a_known_failure_that_cannot_be_judged_stays_inconclusive() -> None:
    verdict = _judged(Gate("mAP_drop", 0.005, None, _KNOWN), _figures(0.001, 0.001))

    assert (verdict.outcome, verdict.known_failure) == (INCONCLUSIVE, _REASON)


def _baseline(value: float) -> Baseline:
    nine = (value,) * len(jitter.SCALES)
    return Baseline({}, Jitter(dict.fromkeys(jitter.FIGURES, nine), {}, {}), {})


@pytest.mark.parametrize(("baseline", "outcome"), [(None, FAIL), (_baseline(0.6), KNOWN), (_baseline(0.5), FAIL)])
def test_a_missing_baseline_is_no_known_failure(baseline: Optional[Baseline], outcome: str) -> None:
    verdict = _judged(Gate("mAP_baseline", None, None, _KNOWN), _figures(0.7, 0.5, baseline=baseline))

    assert verdict.outcome == outcome
    assert ("passes now" in verdict.message) == (baseline == _baseline(0.5))
    assert ("has no baseline to compare with" in verdict.message) == (baseline is None)


def test_no_quantizer_is_to_blame_for_a_known_failure_whether_it_fails_or_passes() -> None:
    for after in (0.3, 0.499):
        figures = _figures(0.5, after)
        verdict = _judged(Gate("mAP_drop", 0.005, None, _KNOWN), figures)

        assert goal.of_verdicts([verdict], figures.float_metrics, figures.quantized_metrics) is None


def _check(outcome: str) -> Verdict:
    return Verdict("bitwidths", None, None, None, outcome, "what was found", kind=CHECK)


def test_of_a_check_that_many_tests_make_up_one_says_that_the_failure_is_over() -> None:
    failing, passing = (known_failures.apply(_check(outcome), _KNOWN) for outcome in (FAIL, PASS))

    assert known_failures.apply_to_part(_check(FAIL), failing, speaks_for_all=False) == failing
    assert known_failures.apply_to_part(_check(PASS), failing, speaks_for_all=True).outcome == PASS
    assert known_failures.apply_to_part(_check(PASS), passing, speaks_for_all=False).outcome == PASS
    assert known_failures.apply_to_part(_check(PASS), passing, speaks_for_all=True) == passing
    assert passing.outcome == FAIL
    assert known_failures.apply_to_part(_check(FAIL), _check(FAIL), speaks_for_all=True).outcome == FAIL
