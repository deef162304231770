"""What is kept of attempts, and which of them no other beats."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import List, Optional

import pytest

from quant_accuracy.base import errors, files
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.records import PARAM, Quantizer, Symmetry
from quant_accuracy.repair import attempts, settings
from quant_accuracy.repair.attempts import Attempt, Candidate
from quant_accuracy.repair.cost import Cost
from quant_accuracy.settings.card import ModelCard


def _attempt(card: ModelCard, mean_ap: Optional[float], operations: float) -> Attempt:
    return Attempt(Candidate("some", ("scheme",), card), 10, mean_ap, None, None, {},
                   Cost(8.0, 8.0, operations), 1.0)


def test_on_the_front_is_what_nothing_beats_in_accuracy_and_bit_operations(demo_card: ModelCard) -> None:
    found = [_attempt(demo_card, *point) for point in
             ((0.50, 1.0), (0.55, 1.0), (0.52, 0.5), (0.51, 0.6), (None, 0.1), (0.55, 2.0), (0.60, 4.0))]

    assert attempts.on_front(found) == [False, True, True, False, False, False, True]
    assert attempts.on_front([]) == []


_KEPT = {"images": 20, "mean_ap": 0.5, "drop": 0.1, "interval": [0.05, 0.15], "gates": {"mAP_drop": "fail"},
         "seconds": 1.5, "class_drops": {"cat": 0.1}}


@pytest.mark.parametrize("kept", [
    [], {}, None, 3, {**_KEPT, "gates": None}, {**_KEPT, "gates": {"mAP_drop": "green"}}, {**_KEPT, "interval": [0.1]},
    {**_KEPT, "drop": "0.1"}, {**_KEPT, "other": 1},
    {**_KEPT, "class_drops": {"cat": "0.1"}}, {key: value for key, value in _KEPT.items() if key != "drop"},
])
def test_an_attempt_that_is_kept_damaged_is_not_taken(kept: object) -> None:
    assert attempts.is_whole(_KEPT)
    assert attempts.is_whole({**_KEPT, "mean_ap": None, "drop": None, "interval": None, "gates": {}})
    assert not attempts.is_whole(kept)


def test_what_the_device_of_the_red_card_cannot_express_is_no_repair(demo_card: ModelCard) -> None:
    red = replace(demo_card, device="tflite")
    cards = {item.remedy: item.card for item in settings.of_card(attempts.without_device(red), 100)}

    attempts.require_device(cards["scheme"], red)
    attempts.require_device(cards["per-channel"], demo_card)
    for card in (cards["per-channel"], settings.more_bits(demo_card, [], ["activations"])):
        with pytest.raises(ConfigurationError, match="--device tflite: "):
            attempts.require_device(card, red)


def test_sets_of_as_many_quantizers_have_names_of_their_own(demo_card: ModelCard) -> None:
    quantizers = [Quantizer(f"{name}_quantized", f"{name}:0", PARAM, 4, Symmetry(), True, "") for name in "abc"]
    cards = [settings.with_bits(demo_card, quantizers, [item.tensor]) for item in quantizers]
    tried: List[Attempt] = []
    for card in [*cards, cards[1]]:
        found = attempts.told_apart(Candidate("more bits for 1 weight", (), card), tried)
        tried.append(Attempt(found, 10, 0.5, 0.1, None, {}, None, 1.0))

    assert [item.candidate.name for item in tried] == [
        "more bits for 1 weight", "more bits for 1 weight (set 2)", "more bits for 1 weight (set 3)",
        "more bits for 1 weight (set 2)"]


@pytest.mark.parametrize(("error", "ends"), [
    (errors.GraphError("it cannot be quantized so"), False), (errors.StorageError("no such encoding"), False),
    (errors.WorkerError("no worker is left"), True)])
def test_what_is_of_the_machine_and_not_of_a_candidate_ends_a_search(error: errors.QuantAccuracyError,
                                                                     ends: bool) -> None:
    assert attempts.of_the_machine(error) is ends


def test_a_full_disk_ends_a_search() -> None:
    with pytest.raises(errors.StorageError) as full, files.storage_errors(Path("attempts")):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert attempts.of_the_machine(full.value)
