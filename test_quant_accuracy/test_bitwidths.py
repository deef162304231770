"""Every enabled quantizer has the bits and the symmetry that the model card assumes, and a usable range.

There is a test for each quantizer of the committed snapshot, and one for those that the snapshot does not have. All of
them together are one check.
"""

from typing import Callable, List, Mapping, NamedTuple, Sequence

import pytest

from quant_accuracy.judging import checks, known_failures
from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.plugin.parameters import OTHERS, tensors_of_snapshot
from quant_accuracy.quantization.records import Quantizer
from quant_accuracy.settings.card import ModelCard


class Judged(NamedTuple):
    """A quantized network and what its checks say.

    Attributes:
        network: The network.
        verdicts: The verdicts on all of it, by name.
    """

    network: checks.QuantizedNetwork
    verdicts: Mapping[str, Verdict]


@pytest.fixture(scope="session")
def judged(model: ModelCard, request: pytest.FixtureRequest) -> Judged:
    """The network that all of these tests are about.

    The fixtures behind it are asked for here, once: pytest would go through all of them for each of hundreds of tests.
    """
    return Judged(request.getfixturevalue("prepared").network(), request.getfixturevalue("network_verdicts"))


@pytest.fixture
def quantizers_under_test(quantized_tensor: str, model: ModelCard, judged: Judged,
                          pytestconfig: pytest.Config) -> List[Quantizer]:
    """The enabled quantizer on the tensor of the test, or all on tensors that the snapshot does not have."""
    enabled = [quantizer for quantizer in judged.network.quantizers if quantizer.enabled]
    if quantized_tensor == OTHERS:
        listed = set(tensors_of_snapshot(pytestconfig, model))
        return [quantizer for quantizer in enabled if quantizer.tensor not in listed]
    found = [quantizer for quantizer in enabled if quantizer.tensor == quantized_tensor]
    if not found:
        pytest.skip("not quantized in this run; whether it should be is a matter of placement")
    return found


@pytest.fixture
def settle_part(quantized_tensor: str, judged: Judged,
                settle: Callable[[Verdict], None]) -> Callable[[Verdict], None]:
    """As `settle`, for the part of a check that the test is about."""
    return lambda part: settle(
        known_failures.apply_to_part(part, judged.verdicts[part.gate], quantized_tensor == OTHERS))


def test_bitwidth_and_symmetry(quantizers_under_test: Sequence[Quantizer], judged: Judged,
                               settle_part: Callable[[Verdict], None]) -> None:
    settle_part(checks.of_bitwidths(quantizers_under_test, judged.network))


def test_encoding_is_usable(quantizers_under_test: Sequence[Quantizer], judged: Judged,
                            settle_part: Callable[[Verdict], None]) -> None:
    settle_part(checks.of_encodings(quantizers_under_test, judged.network))
