"""Encodings of ranges and quantized values against numbers that AIMET 1.19.1 produced."""

from typing import Any, Dict

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.quantization import encodings
from quant_accuracy.quantization.encodings import Range
from quant_accuracy.quantization.records import Encoding
from tests.support.aimet_vectors import ARRAYS, VECTORS, assert_equal, batches_of, cases_of, name_of, symmetry_of


@pytest.mark.parametrize("case", cases_of("tf"), ids=name_of)
def test_encoding_of_a_range_equals_aimets(case: Dict[str, Any]) -> None:
    batches = batches_of(case)
    seen = Range(min(float(b.min()) for b in batches), max(float(b.max()) for b in batches))

    assert_equal(encodings.range_encoding(seen, case["bitwidth"], symmetry_of(case)), case, 1e-6)


@pytest.mark.parametrize("case", VECTORS["quantize_dequantize"], ids=lambda case: f"{case['min']}..{case['max']}")
def test_quantized_values_equal_aimets_ties_apart(case: Dict[str, Any]) -> None:
    values = ARRAYS["qdq/input"]
    wanted = ARRAYS[case["output"]]
    scale = (case["max"] - case["min"]) / (2 ** case["bitwidth"] - (2 if case["min"] == -case["max"] else 1))

    found = encodings.quantize_dequantize(values, Encoding(case["min"], case["max"], scale, 0, case["bitwidth"]))

    steps = np.clip(values, case["min"], case["max"]).astype(np.float64) / scale
    tie = np.abs(np.abs(steps - np.floor(steps)) - 0.5) < 1e-4
    np.testing.assert_allclose(found[~tie], wanted[~tie], rtol=1e-6, atol=1e-7)
    assert found.dtype == np.float32


def test_halves_are_rounded_away_from_zero() -> None:
    values = np.array([0.5, 1.5, 2.5, -0.5, -2.5])

    assert encodings.round_half_away(values).tolist() == [1.0, 2.0, 3.0, -1.0, -3.0]


def test_zero_is_on_every_grid() -> None:
    random = np.random.RandomState(3)
    for low, high in random.normal(size=(200, 2)):
        found = encodings.range_encoding(Range(min(low, high), max(low, high)), 8)

        assert encodings.quantize_dequantize(np.zeros(1, np.float32), found)[0] == 0.0


@pytest.mark.parametrize("seen", [Range(float("nan"), 1.0), Range(0.0, float("inf")), Range(1.0, -1.0)])
def test_an_unusable_range_is_refused(seen: Range) -> None:
    with pytest.raises(DataError, match="look for NaN"):
        encodings.range_encoding(seen, 8)
