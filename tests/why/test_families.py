"""Families of quantizers, and how sets are told in words."""

from typing import Sequence

import pytest

from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantizer, Symmetry
from quant_accuracy.why import families as family_kinds
from quant_accuracy.why.families import Family
from tests.support.families import RANKED, SIX


def _quantizer(tensor: str, kind: str = PARAM, bits: int = 4, role: str = "weight") -> Quantizer:
    return Quantizer(tensor + "_quantized", tensor, kind, bits, Symmetry(), True, "", role)


def test_families_are_named_as_hardware_and_configurations_speak_of_them() -> None:
    found = family_kinds.of_quantizers(
        [_quantizer("a"), _quantizer("b"), _quantizer("c"), _quantizer("d", role="bias"), _quantizer("e"),
         _quantizer("f", ACTIVATION, role="input"), _quantizer("g", ACTIVATION, role=""), _quantizer("h", ACTIVATION,
                                                                                                    role="output")],
        ["Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv2D", "Mul", "Identity", "Relu6", "Relu6"])

    assert found == [
        Family("convolution weights", "weights", ("a",)), Family("depthwise weights", "weights", ("b",)),
        Family("dense weights", "weights", ("c",)), Family("weights of Mul", "weights", ("e",)),
        Family("model input", "activations", ("f",)), Family("activations of Relu6", "activations", ("g", "h")),
        Family("biases", "biases", ("d",))]
    assert [(kind.name, kind.tensors) for kind in family_kinds.kinds(found)] == [
        ("weights", ("a", "b", "c", "e")), ("activations", ("f", "g", "h")), ("biases", ("d",))]


def test_quantizers_of_one_kind_with_several_bit_widths_are_told_apart() -> None:
    found = family_kinds.of_quantizers(
        [_quantizer("b", bits=8), _quantizer("c", ACTIVATION, 6, ""), _quantizer("a", bits=3)],
        ["Conv2D", "Relu6", "Conv2D"])

    # Those of the fewest bits come first.
    assert [family.name for family in found] == ["convolution weights at 3 bits", "activations of Relu6",
                                                 "convolution weights at 8 bits"]
    assert [kind.name for kind in family_kinds.kinds(found)] == ["weights at 3 bits", "activations",
                                                                 "weights at 8 bits"]


@pytest.mark.parametrize(("off", "said"), [
    (RANKED, "all quantizers"), (RANKED[:20], "weights"), (RANKED[20:], "activations"),
    (RANKED[:6], "depthwise weights"), (RANKED[:5], "5 of 6 depthwise weights"),
    ([*RANKED[:6], *RANKED[20:32]], "depthwise weights and activations of Relu6"),
    ([*RANKED[:20], *RANKED[20:38]], "weights and activations of Relu6, Conv2D"),
    ([*RANKED[:20], "t20"], "weights and 1 of 12 activations of Relu6"),
    (["t0", "t6", *RANKED[16:20]], "1 of 6 depthwise weights, 1 of 10 convolution weights and dense weights"),
])
def test_a_set_is_told_in_words(off: Sequence[str], said: str) -> None:
    assert family_kinds.describe(off, SIX) == said
