"""Why a gate is red: planted culprits on the demo."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.judging.verdicts import FAIL, Verdict
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.pipeline.variations import measure_without
from quant_accuracy.quantization.records import AIMET, PARAM, with_layer
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from quant_accuracy.why import explanation, families
from tests.support import planted

pytestmark = pytest.mark.one_lane


def _drop(done: Evaluation) -> float:
    before, after = (done.variants[name].metrics.figures["mAP"] for name in (FLOAT, QUANTIZED))
    assert before is not None
    assert after is not None
    return before - after


def _failed(done: Evaluation, allowed: float) -> Evaluation:
    """As if these shards were the whole data set, and this the limit on the drop."""
    return replace(done, verdicts=[Verdict("mAP_drop", _drop(done), None, allowed, FAIL, "")])


@pytest.mark.parametrize("culprit", [*list(planted.CULPRITS)[:2], *(
    pytest.param(culprit, marks=pytest.mark.soak) for culprit in list(planted.CULPRITS)[2:])])
def test_a_planted_culprit_ranks_first_and_is_all_that_has_to_go(culprit: str, demo: DataPaths, demo_card: ModelCard,
                                                                 demo_artifacts: Artifacts, cache: Cache,
                                                                 tmp_path: Path) -> None:
    # Few images: where the ranges end is not what this is about.
    card = replace(demo_card, calibration_images=8)
    given = planted.CULPRITS[culprit](card, demo, tmp_path, demo_artifacts)
    own = _drop(evaluate(Request(demo_card, demo, 1, selection="0-1"), cache))
    done = evaluate(Request(given.card, given.data, 1, selection="0-1"), cache)
    assert _drop(done) > own + 0.01

    found = explanation.explain(_failed(done, (own + _drop(done)) / 2), minutes=5.0, most_images=1)

    first = found.sensitivities.quantizers[0]
    assert first.layer.startswith(given.scope)
    assert found.culprits is not None
    assert found.culprits.best is not None
    assert found.culprits.best.off == (first.tensor,)
    assert found.culprits.smallest
    named = with_layer(first.tensor, first.layer)
    assert found.lines()[0].startswith(f"culprit, 1 of 163 quantizers: {named}; without it")
    assert named in found.lines()[1]


def test_a_float_variant_that_does_not_reach_the_goal_leaves_no_quantizer_to_blame(
        demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)
    after = done.variants[QUANTIZED].metrics.figures["mAP"]

    found = explanation.explain(replace(done, verdicts=[Verdict("mAP_floor", after, 0.99, None, FAIL, "")]),
                                minutes=5.0, most_images=1)

    assert found.culprits is None
    assert found.lines()[0].startswith("no quantizer is to blame: the float variant does not reach quantized mAP at "
                                       "least 0.9900 either")


def test_weights_of_few_bits_are_named_as_a_family_that_really_meets_the_gate_off_and_at_8_bits(
        demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    """No single culprit: the weights are too coarse as a whole. Few measurements tell, whatever they take."""
    card = replace(demo_card, calibration_images=4, quantization=replace(demo_card.quantization, param_bitwidth=4))
    done = evaluate(Request(card, demo, 1, selection="0"), cache)
    assert _drop(done) > 0.05

    # A second passes each time that someone looks.
    clock = map(float, itertools.count()).__next__
    found = explanation.explain(_failed(done, 0.02), minutes=0.25, most_images=1, clock=clock)

    assert found.culprits is not None
    assert found.culprits.best is not None
    assert 1 <= len(found.culprits.trials) <= 5
    weights = {q.tensor for q in done.artifacts.quantizers if q.enabled and q.kind == PARAM}
    off = found.culprits.best.off
    assert set(off) <= weights
    assert f"culprits, {len(off)} of 163 quantizers ({families.describe(off, found.families)}): " in found.lines()[0]
    assert "time ran out" in found.lines()[0]
    # Each of these figures is that of a run of its own.
    without = measure_without(done.prepared, off).metrics
    raised = found.culprits.raised[0]
    assert set(raised.raised) == weights
    at_8_bits = evaluate(Request(replace(card, quantization=demo_card.quantization), demo, 1, selection="0"), cache)
    before = done.variants[FLOAT].metrics.figures["mAP"]
    assert before is not None
    for metrics, claimed in ((without, found.culprits.best.metrics),
                             (at_8_bits.variants[QUANTIZED].metrics, raised.metrics)):
        assert metrics == claimed
        assert (metrics.figures["mAP"] or 0.0) >= before - 0.02
    assert f"with 8 bits for weights it is {raised.metrics.figures['mAP']:.4f}, enough" in found.lines()[0]


def test_attribution_adds_up_to_the_drop(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)

    where = explanation.explain(done, minutes=5.0, most_images=1).attribution

    drops = [item.drop for item in where.classes]
    assert drops == sorted(drops, reverse=True)
    assert sum(drops) / len(drops) == pytest.approx(_drop(done))
    assert sum(item.share or 0.0 for item in where.classes) == pytest.approx(1.0)
    assert where.drop_without is not None
    assert where.drop_without < _drop(done)
    assert set(where.image_ids) <= set(done.variants[FLOAT].merged.image_ids.tolist())


def test_what_aimet_runs_cannot_be_asked_why(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)
    artifacts = replace(done.artifacts, simulator=AIMET)
    of_aimet = replace(done, prepared=replace(done.prepared, artifacts=artifacts))

    with pytest.raises(ConfigurationError, match="AIMET runs a graph of its own.*--simulate builtin"):
        explanation.explain(of_aimet, minutes=5.0)
