"""What a part of a data set says of the whole: absent classes, rare classes, and what few images make too large."""

from typing import Any

import numpy as np
import pytest

from quant_accuracy.scoring import partial
from quant_accuracy.scoring.partial import ClassImages, PartialAps


def _aps(values: Any, evaluated: Any, whole: Any, loss: float = 0.1, spread: float = 0.0, share: float = 0.0,
         resamples: int = 400) -> PartialAps:
    """Float APs of classes, each of which the quantized variant loses a share of; NaN where a class is absent."""
    random = np.random.RandomState(0)
    before = np.array(values, float)
    samples = before + random.normal(0.0, spread, size=[resamples, len(before)]) if spread else \
        np.tile(before, (resamples, 1))
    return PartialAps(before, before * (1 - loss), samples, samples * (1 - loss),
                      ClassImages(np.array(evaluated), np.array(whole)), share)


def test_where_all_classes_are_known_exactly_the_interval_is_the_figure() -> None:
    aps = _aps([0.5, 0.7], [40, 40], [400, 400])

    assert aps.drop() == pytest.approx((0.06, 0.06))
    assert aps.ratio() == pytest.approx((0.9, 0.9))
    assert aps.mean_ap(quantized=False) == pytest.approx((0.6, 0.6))
    assert aps.mean_ap(quantized=True) == pytest.approx((0.54, 0.54))


def test_absent_classes_may_be_like_any_that_is_about_as_rare() -> None:
    # Rare classes have a small AP, so an absent one is thought to have one too.
    values = [0.9] * 6 + [0.1, 0.2, 0.1, 0.2, 0.1] + [np.nan]
    found = _aps(values, [50] * 6 + [2] * 5 + [0], [500] * 6 + [20] * 5 + [10]).drop()

    known = np.nansum(values)
    assert found is not None
    assert 0.1 * (known + 0.1) / 12 - 1e-9 <= found.low < found.high <= 0.1 * (known + 0.2) / 12 + 1e-9


def test_classes_of_the_annotations_that_the_data_set_never_shows_do_not_count() -> None:
    aps = _aps([0.5, np.nan], [40, 0], [400, 0])

    assert (aps.images.classes, aps.images.absent) == (1, 0)
    assert aps.drop() == pytest.approx((0.05, 0.05))


@pytest.mark.parametrize(("absent", "speaks"), [(2, True), (3, False)])
def test_more_absent_classes_than_others_leave_nothing_to_say(absent: int, speaks: bool) -> None:
    aps = _aps([0.5, 0.6] + [np.nan] * absent, [40, 30] + [0] * absent, [400, 300] + [5] * absent)

    assert aps.speaks_for_the_whole == speaks
    assert [found is not None for found in (aps.drop(), aps.ratio(), aps.mean_ap(True))] == [speaks] * 3


def test_deviations_grow_with_few_images_and_shrink_with_the_share_that_is_known() -> None:
    widths = [_width(_aps([0.5, 0.5], [images, images], [400, 400], spread=0.01, share=share))
              for images, share in ((400, 0.0), (2, 0.0), (400, 0.75))]

    assert widths[1] / widths[0] == pytest.approx(np.sqrt(2 / 1) / np.sqrt(400 / 399))
    assert widths[2] / widths[0] == pytest.approx(0.5)


def _width(aps: PartialAps) -> float:
    found = aps.drop()
    assert found is not None
    return found.high - found.low


def test_what_resamples_make_too_large_is_taken_off_the_mean_ap_more_at_the_lower_end() -> None:
    value = np.array([0.5, 0.5])
    samples = np.full([100, 2], 0.51)
    aps = PartialAps(value, value, samples, samples, ClassImages(np.array([1000, 1000]), np.array([9000, 9000])))

    low, high = aps.mean_ap(quantized=True) or (0.0, 0.0)

    assert (low, high) == pytest.approx((0.51 - 3 * 0.01, 0.51 - 2 * 0.01), abs=1e-4)
    assert aps.drop() == (0.0, 0.0)


def test_a_variant_differs_from_itself_by_exactly_nothing_whatever_is_absent() -> None:
    random = np.random.RandomState(3)
    values, samples = random.uniform(size=20), random.uniform(size=[100, 20])
    values[12:] = np.nan
    samples[:, 12:] = np.nan
    samples[::3, 5:8] = np.nan
    images = ClassImages(np.where(np.isnan(values), 0, 3), np.arange(40, 20, -1))
    aps = PartialAps(values, values, samples, samples, images)

    assert aps.drop() == (0.0, 0.0)
    assert aps.ratio() == (1.0, 1.0)


def test_intervals_are_the_same_every_time() -> None:
    found = [_aps([0.5, 0.6, np.nan], [4, 3, 0], [40, 30, 20], spread=0.1).drop() for _ in range(2)]

    assert found[0] == found[1]


@pytest.mark.parametrize(("classes", "confidence"), [(1, 0.95), (80, 1 - 0.05 / 80), (0, 0.95)])
def test_the_confidence_of_all_classes_at_once_is_shared_by_them(classes: int, confidence: float) -> None:
    assert partial.joint_confidence(classes) == pytest.approx(confidence)
