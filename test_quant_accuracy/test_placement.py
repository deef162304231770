"""Quantizers are where the model card's configuration puts them, and nowhere else."""

from typing import TYPE_CHECKING, List, Sequence

import pytest

from quant_accuracy.quantization.configuration import BIAS, WEIGHT, Configuration
from quant_accuracy.quantization.records import ACTIVATION, OVERRIDE, Quantizer

if TYPE_CHECKING:
    from quant_accuracy.artifacts import Artifacts
    from quant_accuracy.evaluation import Evaluation


def test_batch_norms_are_folded(artifacts: "Artifacts") -> None:
    left = [f"{item.batch_norm}: {item.reason}" for item in artifacts.left_out]

    assert not left, "batch norms left in the network:\n" + "\n".join(left)


@pytest.fixture
def assumed(evaluation: "Evaluation", quantizers: Sequence[Quantizer]) -> List[Quantizer]:
    """The quantizers that the default assumptions are about: all but those that the card overrides by name."""
    if evaluation.request.card.quantization.configuration != Configuration():
        pytest.skip("the quantizer configuration is not AIMET's default, and decides itself what is quantized")
    return [quantizer for quantizer in quantizers if not quantizer.rule.startswith(OVERRIDE)]


def test_weights_are_quantized(assumed: Sequence[Quantizer]) -> None:
    weights = [q for q in assumed if q.role == WEIGHT]
    off = [q.tensor for q in weights if not q.enabled]

    assert weights
    assert not off, f"weights without a quantizer: {off}"


def test_biases_are_not_quantized(assumed: Sequence[Quantizer]) -> None:
    on = [q.tensor for q in assumed if q.role == BIAS and q.enabled]

    assert not on, f"biases with a quantizer: {on}"


def test_activations_are_quantized_unless_a_supergroup_covers_them(assumed: Sequence[Quantizer]) -> None:
    activations = [q for q in assumed if q.kind == ACTIVATION]
    off = [f"{q.tensor} ({q.rule})" for q in activations if not q.enabled and "supergroup" not in q.rule]

    assert any(q.enabled for q in activations)
    assert not off, f"activations without a quantizer: {off}"


def test_model_inputs_are_not_quantized(evaluation: "Evaluation", assumed: Sequence[Quantizer]) -> None:
    names = evaluation.request.card.graph
    inputs = {f"{names.image_input}:0", f"{names.starting_op}:0"}
    on = [q.tensor for q in assumed if q.enabled and q.tensor in inputs]

    assert not on, f"model inputs with a quantizer: {on}"


def test_network_outputs_are_quantized(evaluation: "Evaluation", quantizers: Sequence[Quantizer],
                                       assumed: Sequence[Quantizer]) -> None:
    overridden = {q.tensor for q in quantizers} - {q.tensor for q in assumed}
    settled = overridden | {q.tensor for q in assumed if q.enabled}
    missing = [output for output in evaluation.request.card.graph.output_ops if f"{output}:0" not in settled]

    assert not missing, f"network outputs without a quantizer: {missing}"
