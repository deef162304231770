"""Cards with one setting changed."""

from dataclasses import replace

from quant_accuracy.quantization.records import PARAM, Override, Quantizer, Symmetry
from quant_accuracy.repair import settings
from quant_accuracy.settings.card import ModelCard


def test_each_setting_changes_one_thing_and_none_costs_bits(demo_card: ModelCard) -> None:
    found = settings.of_card(demo_card, 200)

    assert [(item.remedy, item.name) for item in found] == [
        ("scheme", "scheme tf_enhanced"), ("scheme", "scheme percentile"), ("calibration", "100 calibration images"),
        ("calibration", "200 calibration images"), ("per-channel", "per-channel weights"),
        ("symmetric", "symmetric weights")]
    assert all(item.card != demo_card for item in found)
    assert {(item.card.quantization.param_bitwidth, item.card.quantization.output_bitwidth) for item in found} == {
        (8, 8)}


def test_what_a_card_has_already_is_not_tried(demo_card: ModelCard) -> None:
    per_channel = next(item.card for item in settings.of_card(demo_card, 60) if item.remedy == "per-channel")
    symmetric = next(item.card for item in settings.of_card(per_channel, 60) if item.remedy == "symmetric")

    assert [item.remedy for item in settings.of_card(symmetric, 60)] == ["scheme", "scheme"]


def test_checks_expect_what_a_setting_says(demo_card: ModelCard) -> None:
    wider = settings.more_bits(demo_card, [], ["weights"])
    symmetric = next(item.card for item in settings.of_card(demo_card, 60) if item.remedy == "symmetric")

    assert (wider.assumptions.param_bitwidth, wider.assumptions.output_bitwidth) == (16, 8)
    assert symmetric.assumptions.symmetric_params


def test_more_bits_for_all_reach_those_that_the_card_gives_fewer(demo_card: ModelCard) -> None:
    low = settings.with_settings(demo_card, replace(demo_card.quantization, overrides=(Override("a:0", bitwidth=3),)))
    quantizers = [Quantizer("a_quantized", "a:0", "activation", 3, Symmetry(), True, ""),
                  Quantizer("b_quantized", "b:0", "activation", 8, Symmetry(), True, ""),
                  Quantizer("w_quantized", "w:0", PARAM, 4, Symmetry(), True, "")]

    found = settings.more_bits(low, quantizers, ["activations"])

    assert found.quantization.output_bitwidth == 16
    assert found.quantization.overrides[1:] == (Override("a:0", bitwidth=8),)


def test_more_bits_for_all_leave_alone_those_that_the_card_gives_as_many_already(demo_card: ModelCard) -> None:
    quantizers = [Quantizer(f"w{bits}_quantized", f"w{bits}:0", PARAM, bits, Symmetry(), True, "")
                  for bits in (3, 4, 8, 16)]
    card = settings.with_settings(demo_card, replace(demo_card.quantization, param_bitwidth=4, overrides=tuple(
        Override(item.tensor, bitwidth=item.bitwidth) for item in quantizers if item.bitwidth != 4)))

    found = settings.more_bits(card, quantizers, ["weights"])

    assert found.quantization.param_bitwidth == 8
    assert found.quantization.overrides[3:] == (Override("w3:0", bitwidth=8),)
    assert [item.bitwidth for item in settings.below(quantizers, card.quantization)] == [3, 4]
