"""Quantizers are where the model card's configuration puts them, and nowhere else."""

from typing import TYPE_CHECKING, Sequence

from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import ACTIVATION, Quantizer

if TYPE_CHECKING:
    from quant_accuracy.artifacts import Artifacts
    from quant_accuracy.evaluation import Evaluation


def test_batch_norms_are_folded(artifacts: "Artifacts") -> None:
    left = [f"{item.batch_norm}: {item.reason}" for item in artifacts.left_out]

    assert not left, "batch norms left in the network:\n" + "\n".join(left)


def test_weights_are_quantized(quantizers: Sequence[Quantizer]) -> None:
    weights = [q for q in quantizers if q.role == WEIGHT]
    off = [q.tensor for q in weights if not q.enabled]

    assert weights
    assert not off, f"weights without a quantizer: {off}"


def test_biases_are_not_quantized(quantizers: Sequence[Quantizer]) -> None:
    on = [q.tensor for q in quantizers if q.role == BIAS and q.enabled]

    assert not on, f"biases with a quantizer: {on}"


def test_activations_are_quantized_unless_a_supergroup_covers_them(quantizers: Sequence[Quantizer]) -> None:
    activations = [q for q in quantizers if q.kind == ACTIVATION]
    off = [f"{q.tensor} ({q.rule})" for q in activations if not q.enabled and "supergroup" not in q.rule]

    assert any(q.enabled for q in activations)
    assert not off, f"activations without a quantizer: {off}"


def test_model_inputs_are_not_quantized(evaluation: "Evaluation", quantizers: Sequence[Quantizer]) -> None:
    names = evaluation.request.card.graph
    inputs = {f"{names.image_input}:0", f"{names.starting_op}:0"}
    on = [q.tensor for q in quantizers if q.enabled and q.tensor in inputs]

    assert not on, f"model inputs with a quantizer: {on}"


def test_network_outputs_are_quantized(evaluation: "Evaluation", quantizers: Sequence[Quantizer]) -> None:
    on = {q.tensor for q in quantizers if q.enabled}
    missing = [output for output in evaluation.request.card.graph.output_ops if f"{output}:0" not in on]

    assert not missing, f"network outputs without a quantizer: {missing}"
