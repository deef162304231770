"""Quantizers and encodings against what the card assumes."""

from dataclasses import replace
from typing import Any, Dict

import pytest

from quant_accuracy.quantization import assumptions
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.records import ACTIVATION, Encoding, Override, Quantizer, Symmetry


def _quantizer(**more: Any) -> Quantizer:
    values: Dict[str, Any] = {"name": "a_quantized", "tensor": "a:0", "kind": ACTIVATION, "bitwidth": 8,
                              "symmetry": Symmetry(), "enabled": True, "rule": "defaults", **more}
    return Quantizer(**values)


_GOOD = Encoding(-1.0, 3.0, 4 / 255, -64, 8)


def test_settings_are_compared_with_the_assumptions_of_the_card() -> None:
    plain = Assumptions()
    special = Assumptions(overrides=(Override("a*", 4), Override("a:0", symmetric=True)))

    assert assumptions.wrong_settings(_quantizer(), [_GOOD], plain) == []
    assert assumptions.wrong_settings(_quantizer(bitwidth=4), [replace(_GOOD, bitwidth=4)], plain) == [
        "the encoding has 4 bits, the card says 8", "the quantizer has 4 bits, the card says 8"]
    assert assumptions.wrong_settings(_quantizer(), [replace(_GOOD, bitwidth=4)], plain) == [
        "the encoding has 4 bits, the card says 8"]
    assert assumptions.wrong_settings(_quantizer(), [replace(_GOOD, symmetric=True)], plain) == [
        "the encoding is symmetric, the card says asymmetric"]
    assert assumptions.wrong_settings(_quantizer(bitwidth=4, symmetry=Symmetry(symmetric=True)),
                                      [replace(_GOOD, bitwidth=4, symmetric=True)], special) == []


@pytest.mark.parametrize(("change", "reason"), [
    ({}, None),
    ({"minimum": float("nan")}, "not a number"),
    ({"scale": float("inf")}, "not a number"),
    ({"minimum": 4.0}, "inverted"),
    ({"minimum": 3.0}, "collapsed"),
    ({"scale": 0.0}, "collapsed"),
    ({"minimum": 0.5}, "without zero"),
])
def test_an_encoding_that_cannot_be_used_is_told_by_kind(change: Dict[str, float], reason: Any) -> None:
    found = assumptions.wrong_range([_GOOD, replace(_GOOD, **change)])

    assert found is None if reason is None else found is not None and found.startswith(reason)
    assert assumptions.wrong_range([]) == "never calibrated: it has no encoding"
