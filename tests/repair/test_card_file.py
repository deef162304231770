"""A repair as a card: read back, it is the card that was measured."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Callable, Dict

import pytest

from quant_accuracy.quantization.records import Override, Quantizer, Symmetry
from quant_accuracy.repair import card_file, settings
from quant_accuracy.settings import card as cards
from quant_accuracy.settings.card import ModelCard

_RED = """
name: red
graph: {starting_op: start, output_ops: [end]}
input: {height: 300, width: 300}
quantization: {param_bitwidth: 4, overrides: {"a:0": {bitwidth: 3}}}
gates: {mAP_drop: 0.02}
"""


@pytest.fixture
def red(tmp_path: Path) -> ModelCard:
    path = tmp_path / "red.yaml"
    path.write_text(_RED)
    return cards.load(str(path))


def _with_weights(card: ModelCard, folder: Path) -> ModelCard:
    (folder / "model.encodings").write_text("{}")
    changed = replace(card.quantization, encodings_file=folder / "model.encodings", params_only=True)
    return replace(settings.with_settings(card, changed), quantized_checkpoint=folder / "model")


def _quantizer(tensor: str, bitwidth: int) -> Quantizer:
    return Quantizer(f"{tensor}_quantized", tensor, "activation", bitwidth, Symmetry(), True, "")


@pytest.mark.parametrize("change", [
    lambda card, folder: settings.of_card(card, 100)[0].card,
    lambda card, folder: next(item.card for item in settings.of_card(card, 100) if item.remedy == "calibration"),
    lambda card, folder: next(item.card for item in settings.of_card(card, 100) if item.remedy == "per-channel"),
    lambda card, folder: next(item.card for item in settings.of_card(card, 100) if item.remedy == "symmetric"),
    lambda card, folder: settings.with_bits(card, [_quantizer("a:0", 3), _quantizer("b:0", 8)], ["a:0", "b:0"]),
    lambda card, folder: settings.more_bits(card, [_quantizer("a:0", 3), _quantizer("b:0", 8)], ["activations"]),
    _with_weights,
], ids=["scheme", "calibration", "per-channel", "symmetric", "bits of two", "bits of all", "weights"])
def test_a_card_that_is_written_is_read_back_as_what_was_measured(
        red: ModelCard, tmp_path: Path, change: Callable[[ModelCard, Path], ModelCard]) -> None:
    folder = tmp_path / "output" / "repair"
    folder.mkdir(parents=True)
    repaired = change(red, folder)

    written = card_file.write(red, repaired, folder, folder)

    found = cards.load(str(written[0]))
    assert found.name == "red_repaired"
    assert _plain(replace(found, name=red.name, given=red.given)) == _plain(repaired)
    assert card_file.changes(red, repaired)


def _plain(card: ModelCard) -> ModelCard:
    """A card with one override a tensor: what the last ones say."""
    ends: Dict[str, Override] = {}
    for override in card.quantization.overrides:
        said = {key: value for key, value in asdict(override).items() if value is not None}
        ends[override.tensors] = replace(ends.get(override.tensors, override), **said)
    return settings.with_settings(card, replace(card.quantization, overrides=tuple(ends.values())))


def test_only_what_changed_is_said(red: ModelCard, tmp_path: Path) -> None:
    repaired = settings.with_bits(red, [_quantizer("a:0", 3)], ["a:0"])

    said = card_file.document(red, repaired, tmp_path)

    assert said == {"base": "red.yaml", "name": "red_repaired",
                    "quantization": {"overrides": {"a:0": {"bitwidth": 8}}}}
    assert card_file.changes(red, repaired) == ["8 bits for a:0"]


def test_what_options_changed_of_the_red_card_is_said_too(red: ModelCard, tmp_path: Path) -> None:
    typed = replace(red, quantization=replace(red.quantization, output_bitwidth=6))

    said = card_file.document(red, settings.with_bits(typed, [_quantizer("a:0", 3)], ["a:0"]), tmp_path)

    assert said["quantization"]["output_bitwidth"] == 6


def test_encodings_of_the_card_before_are_removed_where_weights_changed(red: ModelCard, tmp_path: Path) -> None:
    before = replace(red, quantization=replace(red.quantization, encodings_file=tmp_path / "old.encodings"))
    after = replace(before, quantization=replace(before.quantization, encodings_file=None),
                    quantized_checkpoint=tmp_path / "model")

    said = card_file.document(before, after, tmp_path)

    assert said["quantization"] == {"checkpoint": "model", "encodings": None}


def test_encodings_that_an_option_names_stay_where_they_are(red: ModelCard, tmp_path: Path) -> None:
    given = tmp_path / "of_an_option.encodings"
    given.write_text("{}")
    repaired = replace(red, quantization=replace(red.quantization, encodings_file=given, output_bitwidth=16))
    folder = tmp_path / "output" / "repair"
    folder.mkdir(parents=True)

    written = card_file.write(red, repaired, folder, folder)

    found = cards.load(str(written[0])).quantization.encodings_file
    assert found is not None
    assert found.resolve() == given.resolve()


def test_the_runtime_that_an_option_names_is_said(red: ModelCard, tmp_path: Path) -> None:
    repaired = replace(red, runtime="openvino")

    assert card_file.document(red, repaired, tmp_path)["runtime"] == "openvino"
    assert card_file.changes(red, repaired) == ["runtime: openvino instead of tensorflow"]


def test_a_failure_that_is_known_is_over_where_its_gate_passes_and_stays_where_not(tmp_path: Path) -> None:
    path = tmp_path / "red.yaml"
    path.write_text(_RED.replace("mAP_drop: 0.02", "mAP_drop: {limit: 0.02, known_failure: low bits}, "
                                                   "mAP_floor: {limit: 0.5, known_failure: low bits}"))
    red = cards.load(str(path))

    written = card_file.write(red, settings.of_card(red, 100)[0].card, tmp_path, tmp_path, ["mAP_drop"])

    found = {gate.name: gate for gate in cards.load(str(written[0])).gates}
    assert (found["mAP_drop"].limit, found["mAP_drop"].known_failure) == (0.02, None)
    assert found["mAP_floor"].known_failure is not None


def test_a_card_behind_a_link_finds_its_base(red: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "large" / "disk" / "repair").mkdir(parents=True)
    (tmp_path / "output").symlink_to(tmp_path / "large" / "disk")
    folder = tmp_path / "output" / "repair"

    written = card_file.write(red, settings.of_card(red, 100)[0].card, folder, folder)

    assert cards.load(str(written[0])).quantization.param_bitwidth == 4
