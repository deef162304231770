"""Every enabled quantizer has the bits and the symmetry that the model card assumes, and a usable range.

There is a test for each quantizer of the committed snapshot, and one for those that the snapshot does not have.
"""

from typing import TYPE_CHECKING, List, Sequence

import pytest

from fixtures.parameters import OTHERS, tensors_of_snapshot
from fixtures.verdicts import no_line
from quant_accuracy.quantization import assumptions
from quant_accuracy.quantization.records import Quantizer

if TYPE_CHECKING:
    from fixtures.evaluation import Model
    from quant_accuracy.artifacts import Artifacts


@pytest.fixture
def tested(quantized_tensor: str, model: "Model", quantizers: Sequence[Quantizer],
           pytestconfig: pytest.Config) -> List[Quantizer]:
    """The quantizers that the test is about."""
    if quantized_tensor == OTHERS:
        listed = set(tensors_of_snapshot(pytestconfig, model.card))
        return [quantizer for quantizer in quantizers if quantizer.enabled and quantizer.tensor not in listed]
    found = [quantizer for quantizer in quantizers if quantizer.enabled and quantizer.tensor == quantized_tensor]
    if not found:
        pytest.skip("not quantized in this run; whether it should be is a matter of placement")
    return found


def test_bitwidth_and_symmetry(tested: Sequence[Quantizer], artifacts: "Artifacts", model: "Model") -> None:
    no_line((f"{quantizer.tensor}: {text}" for quantizer in tested
             for text in assumptions.wrong_settings(quantizer, artifacts.encodings.get(quantizer.tensor, ()),
                                                    model.card.assumptions)), "not as the card says")


def test_encoding_is_usable(tested: Sequence[Quantizer], artifacts: "Artifacts") -> None:
    reasons = {quantizer.tensor: assumptions.wrong_range(artifacts.encodings.get(quantizer.tensor, ()))
               for quantizer in tested}

    no_line((f"{tensor}: {reason}" for tensor, reason in reasons.items() if reason), "unusable encodings")
