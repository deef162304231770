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
