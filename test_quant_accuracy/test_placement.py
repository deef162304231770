"""Quantizers are where the model card assumes them, and where they were when somebody looked at them."""

from typing import TYPE_CHECKING, Any, Callable, List, Sequence

import pytest

from fixtures.verdicts import no_line
from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import ACTIVATION, INPUT, PARAM, Quantizer

if TYPE_CHECKING:
    from fixtures.evaluation import Model
    from quant_accuracy.artifacts import Artifacts
    from quant_accuracy.evaluation import Prepared


@pytest.fixture
def assumed(model: "Model", quantizers: Sequence[Quantizer]) -> List[Quantizer]:
    """The quantizers that the assumptions are about: all but those that the card itself switches on or off."""
    return [quantizer for quantizer in quantizers if not model.card.assumptions.switched(quantizer.tensor)]


def test_batch_norms_are_folded(artifacts: "Artifacts") -> None:
    reasons = {item.batch_norm: item.reason for item in artifacts.left_out}

    no_line((f"{name}: {reasons.get(name, 'not tried')}" for name in artifacts.batch_norms),
            "batch norms left in the network")


def test_weights_are_quantized(assumed: Sequence[Quantizer]) -> None:
    weights = [q for q in assumed if q.kind == PARAM and q.role == WEIGHT]

    assert weights
    _all_are([q for q in weights if not q.enabled], "weights without a quantizer")


def test_biases_are_quantized_only_where_the_card_says_so(assumed: Sequence[Quantizer], model: "Model") -> None:
    wanted = model.card.assumptions.biases

    _all_are([q for q in assumed if q.role == BIAS and q.enabled != wanted],
             "biases without a quantizer" if wanted else "biases with a quantizer")


def test_activations_are_quantized_unless_a_supergroup_covers_them(assumed: Sequence[Quantizer],
                                                                   model: "Model") -> None:
    inner = [q for q in assumed if q.kind == ACTIVATION and q.tensor not in _ends(model)]

    assert any(q.enabled for q in inner)
    _all_are([q for q in inner if not q.enabled and "supergroup" not in q.rule], "activations without a quantizer")


def test_model_inputs_are_quantized_only_where_the_card_says_so(assumed: Sequence[Quantizer], model: "Model") -> None:
    names, wanted = model.card.graph, model.card.assumptions.inputs
    inputs = {f"{names.image_input}:0", f"{names.starting_op}:0"}

    _all_are([q for q in assumed if (q.role == INPUT or q.tensor in inputs) and q.enabled != wanted],
             "model inputs without a quantizer" if wanted else "model inputs with a quantizer")


def test_network_outputs_are_quantized_where_the_card_says_so(assumed: Sequence[Quantizer], model: "Model") -> None:
    wanted = model.card.assumptions.outputs
    on = {q.tensor for q in assumed if q.enabled}
    outputs = [f"{output}:0" for output in model.card.graph.output_ops]

    no_line((tensor for tensor in outputs if (tensor in on) != wanted and not model.card.assumptions.switched(tensor)),
            f"network outputs {'without' if wanted else 'with'} a quantizer")


def test_quantizers_are_those_of_the_snapshot(prepared: "Prepared", compare: Callable[[], None],
                                              measuring: Callable[[], Any]) -> None:
    compare()
    with measuring():
        changes = prepared.placement_changes()

    no_line(changes, "quantizers are not those of the committed snapshot")


def _ends(model: "Model") -> List[str]:
    names = model.card.graph
    return [f"{name}:0" for name in (names.image_input, names.starting_op, *names.output_ops)]


def _all_are(wrong: Sequence[Quantizer], what: str) -> None:
    no_line((f"{q.tensor} (rule: {q.rule})" for q in wrong), what)
