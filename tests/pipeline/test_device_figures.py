"""What a device is judged by, against figures computed from scratch; the device is the simulation, perturbed."""

from dataclasses import replace
from typing import Dict

import numpy as np
import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.pipeline import device_figures, evaluation
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import agreement, bootstrap, coco, matching
from quant_accuracy.scoring.agreement import Rule
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.gates import AGREEMENT, Gate
from quant_accuracy.settings.request import Request
from tests.support import devices


@pytest.fixture(scope="module")
def done(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Evaluation:
    """An evaluation of one shard."""
    return evaluation.evaluate(Request(demo_card, demo, 1, "0"), cache)


def _with_device(done: Evaluation, images: int) -> Dict[str, Variant]:
    """The variants, and a device that has run the first of the images."""
    simulated, truth = done.quantized, done.prepared.truth
    merged = devices.on_images(devices.perturbed(simulated.merged, lost=0.2), simulated.merged.image_ids[:images])
    matches = matching.match(merged, truth)
    device = replace(simulated, merged=merged, matches=matches,
                     metrics=coco.score_matches(matches, truth, len(merged.results)))
    return {**done.variants, DEVICE: device}


def test_without_a_device_there_is_nothing_to_judge_it_by(done: Evaluation) -> None:
    assert done.figures.device is None
    assert device_figures.measure(done.prepared, done.variants) is None


def test_on_all_evaluated_images_the_other_figures_are_those_of_the_evaluation(done: Evaluation) -> None:
    variants = _with_device(done, 20)
    found = device_figures.measure(done.prepared, variants, done.aps)

    assert found is not None
    assert (found.float_metrics, found.quantized_metrics) == (done.float.metrics, done.quantized.metrics)
    assert found.missing == 0
    assert found.part is not None
    assert (found.part.images, found.part.others) == (20, 9)
    # What was resampled before is used again, and gives the same.
    assert found.part.aps.drop() == device_figures._part(done.prepared, variants, variants, {}).aps.drop()


def test_a_part_of_the_images_is_compared_on_these_alone(done: Evaluation) -> None:
    variants = _with_device(done, 12)
    found = device_figures.measure(done.prepared, variants, done.aps)
    images = done.quantized.merged.image_ids[:12]

    assert found is not None
    assert (found.missing, found.metrics.images) == (8, 12)
    for name, of_variant in ((FLOAT, found.float_metrics), (QUANTIZED, found.quantized_metrics)):
        weights = np.isin(done.variants[name].matches.image_ids, images)[None].astype(np.int32)
        assert of_variant.figures["mAP"] == pytest.approx(bootstrap.mean_aps(done.variants[name].matches, weights)[0])
    assert device_figures.share(done.prepared, variants) == pytest.approx(12 / 200)
    assert found.part is not None
    assert found.part.images == 12
    assert not device_figures.has_all(done.prepared, variants)


def test_agreement_is_asked_as_the_card_says(done: Evaluation) -> None:
    variants = _with_device(done, 20)
    card = replace(done.request.card, gates=[Gate(AGREEMENT, 0.9, score=0.6)])
    prepared = replace(done.prepared, request=replace(done.request, card=card))
    found = device_figures.measure(prepared, variants)

    assert found is not None
    assert found.agreement.rule == Rule(0.6, 0.5)
    again = agreement.measure(done.quantized.merged, variants[DEVICE].merged, Rule(0.6, 0.5))
    assert found.agreement.share == again.share
    assert found.agreement_interval is not None
    assert found.agreement_interval.low < (again.share or 0.0) < found.agreement_interval.high
