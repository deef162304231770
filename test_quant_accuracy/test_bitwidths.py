"""Every enabled quantizer has the bits, the symmetry and a usable range."""

import math
from typing import TYPE_CHECKING, List, Sequence

from quant_accuracy.quantization.records import PARAM, Quantizer

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
        found = (quantizer.bitwidth, artifacts.encodings[quantizer.tensor].bitwidth)
        if found != (wanted, wanted):
            wrong.append(f"{quantizer.tensor}: {found[0]} bits, encoded with {found[1]}, the card says {wanted}")

    assert not wrong, "\n".join(wrong)


def test_quantizers_are_asymmetric(artifacts: "Artifacts") -> None:
    wrong = [q.tensor for q in _enabled(artifacts.quantizers)
             if q.symmetric or artifacts.encodings[q.tensor].symmetric]

    assert not wrong, f"symmetric quantizers: {wrong}"


def test_every_enabled_quantizer_has_a_usable_range(artifacts: "Artifacts") -> None:
    wrong = []
    for quantizer in _enabled(artifacts.quantizers):
        encoding = artifacts.encodings.get(quantizer.tensor)
        if encoding is None:
            wrong.append(f"{quantizer.tensor}: never calibrated")
        elif not (math.isfinite(encoding.minimum) and math.isfinite(encoding.maximum)
                  and encoding.minimum < encoding.maximum and encoding.scale > 0.0):
            wrong.append(f"{quantizer.tensor}: {encoding}")

    assert not wrong, "\n".join(wrong)


def test_only_enabled_quantizers_have_an_encoding(artifacts: "Artifacts") -> None:
    assert sorted(artifacts.encodings) == sorted(q.tensor for q in _enabled(artifacts.quantizers))
