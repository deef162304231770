"""Quantizers are where the model card assumes them, and where they were when somebody looked at them."""

from typing import Callable, Mapping

from quant_accuracy.judging import checks
from quant_accuracy.judging.verdicts import Verdict

Verdicts = Mapping[str, Verdict]
Settle = Callable[[Verdict], None]


def test_batch_norms_are_folded(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.BATCH_NORMS])


def test_weights_are_quantized(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.WEIGHTS])


def test_biases_are_quantized_only_where_the_card_says_so(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.BIASES])


def test_activations_are_quantized_unless_a_supergroup_covers_them(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.ACTIVATIONS])


def test_model_inputs_are_quantized_only_where_the_card_says_so(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.INPUTS])


def test_network_outputs_are_quantized_where_the_card_says_so(network_verdicts: Verdicts, settle: Settle) -> None:
    settle(network_verdicts[checks.OUTPUTS])


def test_quantizers_are_those_of_the_snapshot(network_verdicts: Verdicts, unless_updating_baselines: Callable[[], None],
                                              settle: Settle) -> None:
    unless_updating_baselines()

    settle(network_verdicts[checks.SNAPSHOT])
