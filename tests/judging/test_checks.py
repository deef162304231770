"""Checks of a quantized network and of its evaluation, one by one; `as_user/test_doors.py` asks them by both doors."""

from dataclasses import replace
from typing import Any, Dict, List, Sequence

import numpy as np
import pytest

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.judging import checks
from quant_accuracy.judging.checks import Committed, QuantizedNetwork
from quant_accuracy.judging.verdicts import CHECK, FAIL, INCONCLUSIVE, PASS, Verdict
from quant_accuracy.quantization import assumptions, encodings, snapshot
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.encodings import Range
from quant_accuracy.quantization.records import (
    ACTIVATION,
    INPUT,
    OUTPUT,
    PARAM,
    Encoding,
    Override,
    Quantization,
    Quantizer,
    Symmetry,
)
from quant_accuracy.quantization.snapshot import Placed

_PLAIN = Assumptions()
_NAMES = GraphNames("images", ("start",), ("end",), ("boxes", "scores", "classes", "count"))


def _quantizer(tensor: str, kind: str = ACTIVATION, role: str = "", **more: Any) -> Quantizer:
    values: Dict[str, Any] = {"bitwidth": 8, "symmetry": Symmetry(), "enabled": True, "rule": "defaults", **more}
    return Quantizer(f"{tensor}_quantized", tensor, kind, role=role, **values)


def _network(*changed: Quantizer, assumed: Assumptions = _PLAIN) -> QuantizedNetwork:
    """A network as the default assumptions want it, with other quantizers in place of some."""
    normal = [_quantizer("start:0", role=INPUT, enabled=False), _quantizer("conv/weights:0", PARAM, "weight"),
              _quantizer("conv/bias:0", PARAM, "bias", enabled=False), _quantizer("conv/BiasAdd:0", enabled=False,
                                                                                 covered=True),
              _quantizer("conv/Relu:0"), _quantizer("end:0", role=OUTPUT)]
    others = {q.tensor: q for q in changed}
    return QuantizedNetwork(Quantization([others.get(q.tensor, q) for q in normal], {}), _NAMES, assumed)


def _red(found: Sequence[Verdict]) -> List[str]:
    assert {verdict.kind for verdict in found} == {CHECK}
    return [verdict.gate for verdict in found if verdict.outcome == FAIL]


def test_a_network_as_the_card_expects_it_passes_every_check_of_placement() -> None:
    assert _red(checks.of_placement(_network())) == []


@pytest.mark.parametrize(("changed", "check"), [
    (_quantizer("conv/weights:0", PARAM, "weight", enabled=False, rule="mine"), checks.WEIGHTS),
    (_quantizer("conv/bias:0", PARAM, "bias", rule="mine"), checks.BIASES),
    (_quantizer("conv/BiasAdd:0", enabled=False, rule="mine"), checks.ACTIVATIONS),
    (_quantizer("conv/BiasAdd:0", enabled=False, rule="supergroups are what this rule speaks of"), checks.ACTIVATIONS),
    (_quantizer("start:0", role=INPUT, rule="mine"), checks.INPUTS),
    (_quantizer("end:0", role=OUTPUT, enabled=False, rule="mine"), checks.OUTPUTS),
])
def test_a_quantizer_that_is_not_where_the_card_expects_it_fails_one_check_which_names_it(changed: Quantizer,
                                                                                         check: str) -> None:
    found = checks.of_placement(_network(changed))
    switched = Assumptions(overrides=(Override(changed.tensor, enabled=changed.enabled),))

    assert _red(found) == [check]
    assert changed.tensor in next(verdict for verdict in found if verdict.gate == check).message
    # What the card itself switches is as it says.
    assert _red(checks.of_placement(_network(changed, assumed=switched))) == []


def test_assumptions_turn_round_what_biases_inputs_and_outputs_have_to_be() -> None:
    other = Assumptions(biases=True, inputs=True, outputs=False)

    assert _red(checks.of_placement(_network(assumed=other))) == [checks.BIASES, checks.INPUTS, checks.OUTPUTS]


def test_an_input_that_should_be_quantized_and_cannot_be_is_named() -> None:
    identity = QuantizedNetwork(Quantization([_quantizer("a:0")], {}), _NAMES, Assumptions(inputs=True))

    (found,) = [verdict for verdict in checks.of_placement(identity) if verdict.gate == checks.INPUTS]

    assert found.outcome == FAIL
    assert f"{_NAMES.starting_ops[0]}:0 (it has no quantizer" in found.message


def test_of_several_inputs_that_should_be_quantized_those_that_cannot_be_are_named() -> None:
    names = replace(_NAMES, starting_ops=("start", "other", "third"))
    some = Quantization([_quantizer("start:0", role=INPUT), _quantizer("third:0", role=INPUT)], {})
    every = replace(some, quantizers=[*some.quantizers, _quantizer("other:0", role=INPUT)])

    messages = [verdict.message for found in (some, every)
                for verdict in checks.of_placement(QuantizedNetwork(found, names, Assumptions(inputs=True)))
                if verdict.gate == checks.INPUTS]

    assert "other:0 (it has no quantizer" in messages[0]
    assert not {"start:0", "third:0"} & set(messages[0].split())
    assert messages[1] == "model inputs are quantized, as the card says"


def test_a_network_without_weights_or_quantized_activations_passes_nothing() -> None:
    empty = QuantizedNetwork(Quantization([], {}), _NAMES, _PLAIN)

    assert set(_red(checks.of_placement(empty))) == {checks.WEIGHTS, checks.ACTIVATIONS, checks.OUTPUTS}


def test_batch_norms_are_named_with_the_reason_or_as_not_tried() -> None:
    found = checks.of_folding(["one", "two"], {"one": "read twice", "three": "folded after all"})

    assert (found.outcome, found.message.split("\n")) == (FAIL, ["batch norms left in the network:",
                                                                 "  one: read twice", "  two: not tried"])
    assert checks.of_folding([], {"three": "folded after all"}).outcome == PASS


def test_bits_and_ranges_are_checked_of_the_given_quantizers_and_named() -> None:
    quantizers = [_quantizer("a:0"), _quantizer("b:0", bitwidth=4)]
    given = {"a:0": (Encoding(-1.0, 3.0, 4 / 255, -64, 8),), "b:0": (Encoding(0.5, 3.0, 2.5 / 15, 0, 4),)}
    network = QuantizedNetwork(Quantization(quantizers, given), _NAMES, _PLAIN)

    bits, usable = checks.of_bitwidths(quantizers, network), checks.of_encodings(quantizers, network)
    assert [bits.outcome, usable.outcome] == [FAIL, FAIL]
    assert "b:0: the quantizer has 4 bits, the card says 8" in bits.message
    assert "b:0: without zero" in usable.message
    assert "a:0" not in bits.message + usable.message
    assert [check(quantizers[:1], network).outcome for check in (checks.of_bitwidths, checks.of_encodings)] \
        == [PASS, PASS]


_PLACED = Placed("a:0", ACTIVATION, True, 8, False, "defaults", ((-1.0, 3.0),))
_WIDE = Placed("w:0", PARAM, True, 8, False, "defaults", ((-1.0, 1.0),))


def _committed(*placed: Placed) -> Committed:
    return Committed(placed, True, "make it")


def test_drift_beyond_the_limit_fails_and_lists_the_worst_first() -> None:
    after = [replace(_PLACED, ranges=((-1.0, 3.2),)), replace(_PLACED, tensor="b:0", ranges=((-1.0, 4.0),))]
    before = _committed(_PLACED, replace(_PLACED, tensor="b:0"))

    good, bad = checks.of_drift(0.3, before, after), checks.of_drift(0.01, before, after)

    assert [good.outcome, bad.outcome] == [PASS, FAIL]
    assert bad.value == pytest.approx(0.25)
    assert bad.message.index("b:0: [-1, 3] -> [-1, 4]") < bad.message.index("a:0: [-1, 3] -> [-1, 3.2]")
    assert "2 of 2 encodings moved by more than 1 % of their range" in bad.message


@pytest.mark.parametrize(("ranges", "reason"), [
    (((-1.0, 1.0), (-0.5, 0.25)), "w:0: one range -> 2 ranges"),
    ((), "w:0: one range -> no range"),
    (((-1.0, float("nan")),), "w:0: a range that is not finite"),
    (((-1.0, float("inf")),), "w:0: a range that is not finite"),
])
def test_ranges_that_cannot_be_compared_have_drifted_and_are_named(ranges: Any, reason: str) -> None:
    verdict = checks.of_drift(0.01, _committed(_PLACED, _WIDE), [_PLACED, replace(_WIDE, ranges=ranges)])

    assert (verdict.outcome, verdict.value) == (FAIL, 0.0)
    assert "1 of 2 encodings moved" in verdict.message
    assert reason in verdict.message


@pytest.mark.parametrize(("before", "after"), [((), ((-1.0, 1.0),)), ((), ())])
def test_a_snapshot_without_ranges_is_no_snapshot_of_the_encodings(before: Any, after: Any) -> None:
    verdict = checks.of_drift(0.01, _committed(replace(_WIDE, ranges=before)), [replace(_WIDE, ranges=after)])

    assert verdict.outcome == FAIL
    assert "w:0: no range" in verdict.message


@pytest.mark.parametrize("after", [
    [_PLACED], [_PLACED, _WIDE, replace(_WIDE, tensor="v:0")], [_PLACED, replace(_WIDE, bitwidth=4)],
    [_PLACED, replace(_WIDE, symmetric=True)], [_PLACED, replace(_WIDE, enabled=False, ranges=())],
], ids=["lost", "gained", "bits", "symmetry", "off"])
def test_where_a_quantizer_is_another_one_the_snapshot_fails_and_drift_does_not_pass(after: List[Placed]) -> None:
    before = _committed(_PLACED, _WIDE)

    drift = checks.of_drift(0.01, before, after)

    assert checks.of_snapshot(before, after).outcome == FAIL
    assert drift.outcome == INCONCLUSIVE
    assert f"1 of {max(2, len(after))} encodings cannot be compared" in drift.message


def test_encodings_for_each_channel_are_another_quantizer_than_one_for_all() -> None:
    channels = replace(_WIDE, ranges=((-1.0, 1.0), (-0.5, 0.25)))

    found = checks.of_snapshot(_committed(_PLACED, _WIDE), [_PLACED, channels])

    assert found.outcome == FAIL
    assert "~ w:0: 8 bits asymmetric -> 8 bits asymmetric, 2 channels (rule: defaults)" in found.message
    assert snapshot.differences([channels], [replace(channels, ranges=((-9.0, 9.0), (-0.5, 0.25)))]) == []


@pytest.mark.parametrize(("required", "outcome"), [(True, FAIL), (False, INCONCLUSIVE)])
def test_a_missing_snapshot_is_red_where_it_is_asked_for_and_the_remedy_is_told(required: bool, outcome: str) -> None:
    missing = Committed(None, required, "make it")

    for verdict in (checks.of_snapshot(missing, [_PLACED]), checks.of_drift(0.01, missing, [_PLACED])):
        assert verdict.outcome == outcome
        assert verdict.message.startswith("there is no snapshot")
        assert verdict.message.endswith("; make it")


def test_images_are_counted_for_each_variant() -> None:
    good = checks.of_coverage([1, 2], {"float": [2, 1], "quantized": [1, 2]})
    bad = checks.of_coverage([1, 2], {"float": [1, 2], "quantized": [1, 1]})

    assert [good.outcome, bad.outcome] == [PASS, FAIL]
    assert bad.message.split("\n")[1:] == ["  quantized: 1 images not evaluated: 2",
                                           "  quantized: 1 images evaluated more than once: 1"]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_range_that_an_encoding_gives_is_without_zero_however_it_was_rounded(bits: int, dtype: Any) -> None:
    random = np.random.RandomState(bits)

    for low, high in random.exponential(size=[300, 2]) * 10.0 ** random.randint(-6, 7, size=[300, 2]):
        for seen in (Range(-low, 0.0), Range(0.0, high), Range(-low, high)):
            found = encodings.range_encoding(seen, bits)
            scale, offset = dtype(found.scale), dtype(found.offset)
            # As another library computes and writes it.
            written = replace(found, minimum=float(scale * offset),
                              maximum=float(scale * dtype(2 ** bits - 1) + scale * offset))
            assert assumptions.wrong_range([found]) is None
            assert assumptions.wrong_range([written]) is None


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_a_range_that_lies_half_a_step_off_zero_is_without_it(bits: int) -> None:
    step = 1.0 / (2 ** bits - 1)

    assert encodings.holds_zero(-1.0, -1.4e-17, bits)
    assert encodings.holds_zero(1.4e-17, 1.0, bits)
    for shift in (0.5, 1.0, 20.0):
        assert not encodings.holds_zero(shift * step, 1.0 + shift * step, bits)
        assert not encodings.holds_zero(-1.0 - shift * step, -shift * step, bits)


def test_drift_says_when_other_images_calibrated() -> None:
    moved = replace(_PLACED, ranges=((-1.0, 3.5),))

    found = checks.of_drift(0.01, Committed([_PLACED], True, "", recalibrated=True), [moved])

    assert found.outcome == FAIL
    assert "calibrated on other images" in found.message
    assert "calibrated" not in checks.of_drift(0.01, Committed([_PLACED], True, ""), [moved]).message


def test_biases_that_only_have_other_numbers_stay_red_and_are_said_to_be_the_same() -> None:
    first, second = replace(_PLACED, tensor="bias_value_1:0"), replace(_PLACED, tensor="bias_value_3:0",
                                                                      ranges=((-1.0, 9.0),))
    swapped = [replace(second, tensor=first.tensor), replace(first, tensor=second.tensor)]
    renamed = [replace(first, tensor="bias_value_5:0"), second]

    drift = checks.of_drift(0.01, _committed(first, second), swapped)
    lost = checks.of_snapshot(_committed(first, second), renamed)

    for verdict in (drift, lost):
        assert verdict.outcome == FAIL
        assert "are there under other names, with the same quantizers and ranges" in verdict.message
        assert "; make it" in verdict.message.splitlines()[0]
    moved = [first, replace(second, ranges=((-1.0, 12.0),))]
    assert "other names" not in checks.of_drift(0.01, _committed(first, second), moved).message
