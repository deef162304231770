"""Gates against a baseline."""

from dataclasses import replace
from typing import Any, Dict

import numpy as np
import pytest

from quant_accuracy.judging import baseline, gates, jitter
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Classes, Figures, Part
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings.gates import CLASS_BASELINES, OF_BASELINE, Gate
from tests.support.figures import all_metrics

_MANY = len(jitter.SCALES)
_SHOWN = ClassImages(np.array([30, 0]), np.array([30, 0]))


def _judge(committed: Any, value: float, gate: str = "mAP_baseline", classes: Any = None, **more: Any) -> Any:
    known: Dict[str, Any] = {"part": None, "shard_maps": None, "jitter": None, "model": "`--model mine`",
                             "provenance": committed and committed.provenance, **more}
    metrics = all_metrics(value, **({"car": 0.6, "dog": None} if classes is None else classes))
    figures = Figures(metrics, metrics, Classes(_SHOWN, np.zeros(2), np.array([50, 0])), baseline=committed, **known)
    return gates.judge_one(Gate(gate, None), figures)


@pytest.mark.parametrize(("value", "outcome"), [(0.6, PASS), (0.604, PASS), (0.595, PASS), (0.594, FAIL),
                                                (0.614, FAIL)])
def test_a_figure_has_to_lie_within_the_jitter_of_its_baseline(committed: Baseline, value: float,
                                                               outcome: str) -> None:
    verdict = _judge(committed, value)

    assert verdict.outcome == outcome
    assert [verdict.lower, verdict.upper] == pytest.approx([0.604 - verdict.jitter, 0.604 + verdict.jitter])


def test_a_missing_baseline_fails_with_the_remedy() -> None:
    verdict = _judge(None, 0.6)

    assert verdict.outcome == FAIL
    assert "create it with `--model mine`, review it, and commit it" in verdict.message


@pytest.mark.parametrize("gate", OF_BASELINE)
def test_a_baseline_without_jitter_fails_with_the_remedy(committed: Baseline, gate: str) -> None:
    verdict = _judge(replace(committed, jitter=None), 0.6, gate)

    assert verdict.outcome == FAIL
    assert "does not know its jitter; create it with `--model mine`" in verdict.message


def test_some_shards_are_compared_with_the_same_shards_of_the_baseline(committed: Baseline) -> None:
    value, samples = np.full(1, 0.1), np.full([9, 1], 0.1)
    shown = ClassImages(np.array([30]), np.array([60]))
    part = Part(PartialAps(value, value, samples, samples, shown), 20, 1, 1)
    of_part = {**committed.provenance, "data": {"annotations": "aa", "shards": {"s1": "y"}}}

    same = _judge(committed, 0.3, part=part, provenance=of_part, shard_maps={jitter.QUANTIZED_MAP: {"y": 0.7}})
    moved = _judge(committed, 0.3, part=part, provenance=of_part, shard_maps={jitter.QUANTIZED_MAP: {"y": 0.6}})
    cut = _judge(committed, 0.3, part=part, provenance=of_part)
    of_classes = _judge(committed, 0.3, "class_AP_baseline", part=part, provenance=of_part)

    assert [same.outcome, moved.outcome, cut.outcome, of_classes.outcome] == [PASS, FAIL, INCONCLUSIVE, INCONCLUSIVE]
    assert "mean of the quantized mAP of 1 shard 0.7000" in same.message
    # Not the figure that the other rows of the table call so.
    assert [same.figure, _judge(committed, 0.6).figure] == ["mean shard quantized mAP", None]


def test_shards_are_known_by_their_content_whatever_their_names_and_order(committed: Baseline) -> None:
    renamed = {**committed.provenance, "data": {"annotations": "aa", "shards": {"val-1": "x", "val-0": "y"}}}

    assert baseline.incomparable(committed, renamed, whole=True) is None
    assert _judge(committed, 0.604, provenance=renamed).outcome == PASS


def test_a_missing_shard_makes_no_difference_on_a_part_and_other_versions_are_named(committed: Baseline) -> None:
    missing = {**committed.provenance, "data": {"annotations": "aa", "shards": {"s0": "x"}}}
    newer = {**committed.provenance, "versions": {"numpy": "1.19.0"}}

    assert baseline.incomparable(committed, missing, whole=False) is None
    assert _judge(committed, 0.604, provenance=missing).outcome == FAIL
    assert "versions.numpy 1.18.5 -> 1.19.0" in _judge(committed, 0.5, provenance=newer).message
    assert "are those of the baseline" in _judge(committed, 0.5).message


@pytest.mark.parametrize("gate", CLASS_BASELINES)
@pytest.mark.parametrize(("classes", "outcome", "words"), [
    ({"car": 0.604, "dog": None}, PASS, "is that of the baseline within its jitter"),
    ({"car": 0.5, "dog": None}, FAIL, "1 of 1 classes is not that of the baseline: car 0.6040"),
    ({"car": 0.7, "dog": None}, FAIL, "-> 0.7000"),
    ({"car": 0.604, "dog": 0.3}, FAIL, "dog not in the baseline -> 0.3000"),
    ({"car": None, "dog": None}, FAIL, "car 0.6040"),
])
def test_each_class_of_either_variant_is_held_to_its_own_jitter(committed: Baseline, gate: str, classes: Any,
                                                                outcome: str, words: str) -> None:
    verdict = _judge(committed, 0.604, gate, classes)

    assert verdict.outcome == outcome
    assert words in verdict.message


def test_a_class_may_move_by_one_box_even_where_nine_values_are_equal(committed: Baseline) -> None:
    still = {"car": (0.6,) * _MANY}
    assert committed.jitter is not None
    quiet = replace(committed, jitter=replace(committed.jitter, classes=dict.fromkeys(jitter.VARIANT_FIGURES, still)))

    # One of 50 objects crosses one of ten IoU thresholds.
    near, far = (_judge(quiet, 0.6, "float_class_AP_baseline", {"car": 0.6 + change, "dog": None})
                 for change in (0.00199, 0.00201))

    assert [near.outcome, far.outcome] == [PASS, FAIL]
