"""Quantizers are where the model card assumes them, and where they were when somebody looked at them."""

from typing import Callable, Mapping

from quant_accuracy.judging import checks
from quant_accuracy.judging.verdicts import Verdict

Checked = Mapping[str, Verdict]
Hold = Callable[[Verdict], None]


def test_batch_norms_are_folded(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.BATCH_NORMS])


def test_weights_are_quantized(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.WEIGHTS])


def test_biases_are_quantized_only_where_the_card_says_so(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.BIASES])


def test_activations_are_quantized_unless_a_supergroup_covers_them(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.ACTIVATIONS])


def test_model_inputs_are_quantized_only_where_the_card_says_so(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.INPUTS])


def test_network_outputs_are_quantized_where_the_card_says_so(checked: Checked, hold: Hold) -> None:
    hold(checked[checks.OUTPUTS])


def test_quantizers_are_those_of_the_snapshot(checked: Checked, compare: Callable[[], None], hold: Hold) -> None:
    compare()

    hold(checked[checks.SNAPSHOT])
