"""Encodings of histograms against numbers that AIMET 1.19.1 produced."""

from typing import Any, Dict

import numpy as np
import pytest

from quant_accuracy.quantization import histogram
from quant_accuracy.quantization.records import Symmetry
from tests.support.aimet_vectors import assert_equal, batches_of, cases_of, name_of, symmetry_of


@pytest.mark.parametrize("case", cases_of("tf_enhanced"), ids=name_of)
def test_encoding_of_a_histogram_equals_aimets(case: Dict[str, Any]) -> None:
    seen = None
    for batch in batches_of(case):
        seen = histogram.update(seen, batch)

    assert_equal(histogram.enhanced_encoding(seen, case["bitwidth"], symmetry_of(case)), case, 1e-5)


def test_the_encoding_of_nothing_but_zeros_is_aimets() -> None:
    found = histogram.enhanced_encoding(histogram.update(None, np.zeros(10, np.float32)), 8, Symmetry())

    assert (found.minimum, found.maximum) == pytest.approx((-1.00392157, 0.99607843))


@pytest.mark.parametrize("percentile", [100.0, 99.9, 99.0, 90.0])
def test_the_central_range_leaves_out_no_more_than_the_percentile_says_and_nearly_as_much(percentile: float) -> None:
    values = np.random.RandomState(5).standard_normal(20000).astype(np.float32)
    seen = histogram.update(None, values)
    assert seen is not None

    found = histogram.central_range(seen, percentile)

    bucket = float(seen.left[1] - seen.left[0])
    low, high = np.percentile(values, [100.0 - percentile, percentile])
    assert found.minimum == pytest.approx(low, abs=1.01 * bucket)
    assert found.maximum == pytest.approx(high, abs=1.01 * bucket)
    allowed = (100.0 - percentile) / 100.0 * len(values)
    assert (values < found.minimum).sum() <= allowed + 1
    assert (values > found.maximum).sum() <= allowed + 1


def test_the_central_range_of_nothing_but_zeros_is_zero() -> None:
    assert histogram.central_range(None, 99.99) == (0.0, 0.0)
