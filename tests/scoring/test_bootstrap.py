"""The bootstrap against pycocotools on data sets in which images really come several times."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results, joined
from quant_accuracy.scoring import bootstrap, coco, matching
from quant_accuracy.scoring.intervals import mean_known, percentile_interval
from quant_accuracy.scoring.matching import Matches
from quant_accuracy.scoring.metrics import FIGURES
from tests.support.detections import random_detections, random_truth
from tests.support.oracle import of_pycocotools


def _figures(matches: Matches, weights: np.ndarray) -> Dict[str, np.ndarray]:
    """COCO's 12 figures of each resample."""
    return {name: mean_known(values) for name, values in bootstrap.class_figures(matches, weights).items()}


def _repeated(truth: Annotations, merged: Merged, weights: np.ndarray) -> Any:
    """The data set in which each image comes as often as its weight says, with ids of its own each time."""
    images: List[Dict[str, Any]] = []
    things: List[Dict[str, Any]] = []
    rows = []
    for image, count in zip(merged.image_ids.tolist(), weights.tolist()):
        for _ in range(count):
            fresh = len(images) + 1
            images.append({**truth.images[image], "id": fresh})
            things += [{**thing, "id": len(things) + 1 + number, "image_id": fresh}
                       for number, thing in enumerate(truth.by_image()[image])]
            own = merged.results.take(merged.results.images == image)
            rows.append(replace(own, images=np.full(len(own), fresh)))
    document = {**truth.document, "images": images, "annotations": things}
    repeated = Annotations(Path("repeated.json"), document, {i["id"]: i for i in images}, truth.categories)
    return repeated, Merged(np.arange(1, len(images) + 1), joined(rows))


@pytest.mark.parametrize("seed", range(3))
def test_every_image_once_gives_the_map_and_aps_of_the_full_set(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=30)
    merged = random_detections(random, truth, 0.8)
    matches = matching.match(merged, truth)
    once = np.ones([1, 30], np.int64)

    metrics = coco.score(merged, truth)

    assert bootstrap.mean_aps(matches, once)[0] == pytest.approx(metrics.figures["mAP"], abs=1e-12)
    found = bootstrap.class_aps(matches, once)[0]
    wanted = [np.nan if ap is None else ap for ap in (metrics.per_class[truth.categories[key]]
                                                      for key in sorted(truth.categories))]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_has_the_map_of_pycocotools_on_the_images_drawn(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=20)
    merged = random_detections(random, truth, 0.7)
    weights = bootstrap.draw(20, resamples=4, seed=seed)

    found = bootstrap.mean_aps(matching.match(merged, truth), weights)

    wanted = [of_pycocotools(*_repeated(truth, merged, row)).stats[0] for row in weights]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_every_image_once_gives_all_12_figures_of_the_full_set(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=30)
    merged = random_detections(random, truth, 0.8)

    found = _figures(matching.match(merged, truth), np.ones([1, 30], np.int64))

    assert list(found) == list(FIGURES)
    wanted = coco.score(merged, truth).figures
    assert {name: float(values[0]) for name, values in found.items()} == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_resample_has_all_12_figures_of_pycocotools_on_the_images_drawn(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=20)
    merged = random_detections(random, truth, 0.7)
    weights = bootstrap.draw(20, resamples=4, seed=seed)

    found = _figures(matching.match(merged, truth), weights)

    wanted = np.array([of_pycocotools(*_repeated(truth, merged, row)).stats for row in weights]).T
    np.testing.assert_allclose([np.nan_to_num(found[name], nan=-1.0) for name in FIGURES], wanted, rtol=1e-9)


def test_figures_do_not_depend_on_how_many_resamples_are_weighed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.RandomState(3)
    truth = random_truth(random, images=20)
    matches = matching.match(random_detections(random, truth, 0.7), truth)
    weights = bootstrap.draw(20, resamples=50)
    at_once = _figures(matches, weights)

    monkeypatch.setattr(bootstrap, "_CHUNK", 1)

    for name, values in _figures(matches, weights).items():
        np.testing.assert_array_equal(values, at_once[name])


def test_an_area_without_ground_truth_has_no_figures_in_any_resample() -> None:
    truth = random_truth(np.random.RandomState(0), images=12)
    for thing in truth.document["annotations"]:
        thing["area"] = 100.0
    matches = matching.match(random_detections(np.random.RandomState(0), truth, 0.7), truth)

    found = _figures(matches, bootstrap.draw(12, resamples=5))

    assert [name for name, values in found.items() if np.isnan(values).all()] == [
        "AP_medium", "AP_large", "AR_medium", "AR_large"]
    assert not [name for name, values in found.items() if np.isnan(values).any() and not np.isnan(values).all()]


def test_without_detections_every_figure_is_zero() -> None:
    truth = random_truth(np.random.RandomState(0), images=12)
    matches = matching.match(Merged(np.arange(1, 13), Results.from_rows([])), truth)

    found = _figures(matches, np.ones([2, 12], np.int64))

    assert {float(value) for values in found.values() for value in values} == {0.0}


def test_draws_are_the_same_every_time_and_of_the_right_size() -> None:
    first = bootstrap.draw(50, resamples=10)

    np.testing.assert_array_equal(first, bootstrap.draw(50, resamples=10))
    assert first.sum(axis=1).tolist() == [50] * 10


def test_a_resample_without_ground_truth_has_no_map_and_does_not_count() -> None:
    random = np.random.RandomState(0)
    truth = random_truth(random, images=10)
    empty = next(position for position, image in enumerate(sorted(truth.images)) if not truth.by_image()[image])
    weights = np.zeros([1, 10], np.int64)
    weights[0, empty] = 10

    found = bootstrap.mean_aps(matching.match(random_detections(random, truth, 0.7), truth), weights)

    assert np.isnan(found).tolist() == [True]
    assert percentile_interval(np.array([0.1, np.nan, 0.3])) == pytest.approx((0.105, 0.295))


def test_variants_that_are_equal_have_a_difference_of_exactly_zero() -> None:
    random = np.random.RandomState(1)
    truth = random_truth(random, images=15)
    matches = matching.match(random_detections(random, truth, 0.7), truth)
    weights = bootstrap.draw(15, resamples=50)

    difference = bootstrap.mean_aps(matches, weights) - bootstrap.mean_aps(matches, weights)

    assert percentile_interval(difference) == (0.0, 0.0)


def test_deviations_of_drops_are_those_of_the_resamples_that_show_the_class() -> None:
    random = np.random.RandomState(0)
    before, after = random.uniform(size=[2, 50, 3])
    before[:, 1] = np.nan
    before[1:, 2] = np.nan

    found = bootstrap.drop_deviations(before, after)

    assert found[0] == pytest.approx(np.std(before[:, 0] - after[:, 0], ddof=1))
    assert np.isnan(found[1:]).all()


def test_fewer_resamples_are_the_first_of_more() -> None:
    np.testing.assert_array_equal(bootstrap.draw(20, 5), bootstrap.draw(20, 9)[:5])
