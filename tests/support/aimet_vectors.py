"""Encodings and quantized values that AIMET 1.19.1 produced."""

import json
from typing import Any, Dict, List

import numpy as np

from quant_accuracy.quantization.records import Encoding, Symmetry
from tests.support.places import REFERENCE

VECTORS = json.loads((REFERENCE / "aimet_vectors.json").read_text())
ARRAYS = np.load(str(REFERENCE / "aimet_vectors.npz"), allow_pickle=False)


def cases_of(scheme: str) -> List[Dict[str, Any]]:
    return [case for case in VECTORS["encodings"] if case["scheme"] == scheme]


def name_of(case: Dict[str, Any]) -> str:
    flags = "symmetric" * case["symmetric"] + "-strict" * case["strict_symmetric"]
    return f"{case['data']}-{case['bitwidth']}bit-{flags or 'asymmetric'}-{case['unsigned_symmetric']}"


def batches_of(case: Dict[str, Any]) -> List[np.ndarray]:
    return [ARRAYS[f"{case['data']}/{i}"] for i in range(case["batches"])]


def symmetry_of(case: Dict[str, Any]) -> Symmetry:
    return Symmetry(case["symmetric"], case["strict_symmetric"], case["unsigned_symmetric"])


def assert_equal(found: Encoding, case: Dict[str, Any], tolerance: float) -> None:
    assert found.offset == case["offset"]
    np.testing.assert_allclose([found.minimum, found.maximum, found.scale], [case["min"], case["max"], case["delta"]],
                               rtol=tolerance, atol=1e-12)
