"""Encodings and quantized values against numbers that AIMET 1.19.1 produced."""

import json
from typing import Any, Dict, List

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.quantization import encodings, histogram
from quant_accuracy.quantization.encodings import Range
from quant_accuracy.quantization.records import Encoding, Symmetry
from tests.support.places import REFERENCE

_VECTORS = json.loads((REFERENCE / "aimet_vectors.json").read_text())
_ARRAYS = np.load(str(REFERENCE / "aimet_vectors.npz"), allow_pickle=False)


def _cases(scheme: str) -> List[Dict[str, Any]]:
    return [case for case in _VECTORS["encodings"] if case["scheme"] == scheme]


def _name(case: Dict[str, Any]) -> str:
    flags = "symmetric" * case["symmetric"] + "-strict" * case["strict_symmetric"]
    return f"{case['data']}-{case['bitwidth']}bit-{flags or 'asymmetric'}-{case['unsigned_symmetric']}"


def _batches(case: Dict[str, Any]) -> List[np.ndarray]:
    return [_ARRAYS[f"{case['data']}/{i}"] for i in range(case["batches"])]


def _symmetry(case: Dict[str, Any]) -> Symmetry:
    return Symmetry(case["symmetric"], case["strict_symmetric"], case["unsigned_symmetric"])


def _assert_equal(found: Encoding, case: Dict[str, Any], tolerance: float) -> None:
    assert found.offset == case["offset"]
    np.testing.assert_allclose([found.minimum, found.maximum, found.scale], [case["min"], case["max"], case["delta"]],
                               rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("case", _cases("tf"), ids=_name)
def test_encoding_of_a_range_equals_aimets(case: Dict[str, Any]) -> None:
    batches = _batches(case)
    seen = Range(min(float(b.min()) for b in batches), max(float(b.max()) for b in batches))

    _assert_equal(encodings.range_encoding(seen, case["bitwidth"], _symmetry(case)), case, 1e-6)


@pytest.mark.parametrize("case", _cases("tf_enhanced"), ids=_name)
def test_encoding_of_a_histogram_equals_aimets(case: Dict[str, Any]) -> None:
    seen = None
    for batch in _batches(case):
        seen = histogram.update(seen, batch)

    _assert_equal(histogram.enhanced_encoding(seen, case["bitwidth"], _symmetry(case)), case, 1e-5)


def test_the_encoding_of_nothing_but_zeros_is_aimets() -> None:
    found = histogram.enhanced_encoding(histogram.update(None, np.zeros(10, np.float32)), 8, Symmetry())

    assert (found.minimum, found.maximum) == pytest.approx((-1.00392157, 0.99607843))


@pytest.mark.parametrize("case", _VECTORS["quantize_dequantize"], ids=lambda case: f"{case['min']}..{case['max']}")
def test_quantized_values_equal_aimets_ties_apart(case: Dict[str, Any]) -> None:
    values = _ARRAYS["qdq/input"]
    wanted = _ARRAYS[case["output"]]
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
