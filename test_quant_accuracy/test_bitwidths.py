"""Every enabled quantizer has the bits, the symmetry and a usable range."""

import math
from typing import TYPE_CHECKING, List, Sequence

from quant_accuracy.quantization.records import OVERRIDE, PARAM, Quantizer

if TYPE_CHECKING:
    from quant_accuracy.artifacts import Artifacts
    from quant_accuracy.evaluation import Evaluation


def _enabled(quantizers: Sequence[Quantizer]) -> List[Quantizer]:
    return [quantizer for quantizer in quantizers if quantizer.enabled]


def test_bitwidths_are_those_of_the_card(evaluation: "Evaluation", artifacts: "Artifacts") -> None:
    settings = evaluation.request.card.quantization
    wrong = []
    for quantizer in _enabled(artifacts.quantizers):
        wanted = settings.param_bitwidth if quantizer.kind == PARAM else settings.output_bitwidth
        if quantizer.rule.startswith(OVERRIDE):
            wanted = quantizer.bitwidth
        encoded = {encoding.bitwidth for encoding in artifacts.encodings[quantizer.tensor]}
        if quantizer.bitwidth != wanted or encoded != {wanted}:
            wrong.append(f"{quantizer.tensor}: {quantizer.bitwidth} bits, encoded with {encoded}, "
                         f"the card says {wanted}")

    assert not wrong, "\n".join(wrong)


def test_encodings_are_symmetric_where_the_configuration_says_so_and_nowhere_else(artifacts: "Artifacts") -> None:
    wrong = [q.tensor for q in _enabled(artifacts.quantizers)
             if {encoding.symmetric for encoding in artifacts.encodings[q.tensor]} != {q.symmetry.symmetric}]

    assert not wrong, f"quantizers whose encodings have another symmetry: {wrong}"


def test_every_enabled_quantizer_has_a_usable_range(artifacts: "Artifacts") -> None:
    wrong = []
    for quantizer in _enabled(artifacts.quantizers):
        encodings = artifacts.encodings.get(quantizer.tensor, ())
        if not encodings:
            wrong.append(f"{quantizer.tensor}: never calibrated")
        wrong += [f"{quantizer.tensor}: {encoding}" for encoding in encodings
                  if not (math.isfinite(encoding.minimum) and math.isfinite(encoding.maximum)
                          and encoding.minimum < encoding.maximum and encoding.scale > 0.0)]

    assert not wrong, "\n".join(wrong)


def test_only_enabled_quantizers_have_an_encoding(artifacts: "Artifacts") -> None:
    assert sorted(artifacts.encodings) == sorted(q.tensor for q in _enabled(artifacts.quantizers))
