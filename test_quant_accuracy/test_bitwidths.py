"""Every enabled quantizer has the bits and the symmetry that the model card assumes, and a usable range.

There is a test for each quantizer of the committed snapshot, and one for those that the snapshot does not have. All of
them together are one check.
"""

from typing import TYPE_CHECKING, Callable, List, Mapping, Sequence

import pytest

from quant_accuracy.judging import checks, known_failures
from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.plugin.parameters import OTHERS, tensors_of_snapshot
from quant_accuracy.quantization.records import Quantizer

if TYPE_CHECKING:
    from quant_accuracy.pipeline.prepared import Prepared
    from quant_accuracy.plugin.evaluation import Model


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


@pytest.fixture
def hold_part(quantized_tensor: str, checked: Mapping[str, Verdict],
              hold: Callable[[Verdict], None]) -> Callable[[Verdict], None]:
    """As `hold`, for the part of a check that the test is about."""
    return lambda part: hold(known_failures.apply_to_part(part, checked[part.gate], quantized_tensor == OTHERS))


def test_bitwidth_and_symmetry(tested: Sequence[Quantizer], prepared: "Prepared",
                               hold_part: Callable[[Verdict], None]) -> None:
    hold_part(checks.of_bitwidths(tested, prepared.network()))


def test_encoding_is_usable(tested: Sequence[Quantizer], prepared: "Prepared",
                            hold_part: Callable[[Verdict], None]) -> None:
    hold_part(checks.of_encodings(tested, prepared.network()))
