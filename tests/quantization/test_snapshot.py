"""Snapshots of quantizers, and how they differ."""

from dataclasses import replace
from typing import List

import pytest

from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.records import ACTIVATION
from quant_accuracy.quantization.snapshot import Placed

_PLACED = Placed("a:0", ACTIVATION, True, 8, False, "defaults", ((-1.0, 3.0),))


def test_a_snapshot_tells_what_came_went_and_changed() -> None:
    before = [_PLACED, replace(_PLACED, tensor="b:0"), replace(_PLACED, tensor="c:0")]
    after = [replace(_PLACED, bitwidth=4, rule="override: a*"), replace(_PLACED, tensor="c:0", rule="other words"),
             replace(_PLACED, tensor="d:0", symmetric=True)]

    assert snapshot.differences(before, after) == [
        "~ a:0: 8 bits asymmetric -> 4 bits asymmetric (rule: override: a*; before: defaults)",
        "- b:0: lost its quantizer, 8 bits asymmetric (rule: defaults)",
        "+ d:0: gained a quantizer, 8 bits symmetric (rule: defaults)",
    ]
    off = replace(_PLACED, enabled=False, ranges=())
    assert snapshot.differences([_PLACED], [off]) == ["~ a:0: 8 bits asymmetric -> off (rule: defaults)"]
    assert snapshot.differences([off], [replace(off, bitwidth=4)]) == []


def test_drifts_come_worst_first_in_widths_of_the_old_range() -> None:
    before = [_PLACED, replace(_PLACED, tensor="b:0", ranges=((-1.0, 1.0), (0.0, 10.0))),
              replace(_PLACED, tensor="c:0")]
    after = [replace(_PLACED, ranges=((-1.0, 3.04),)), replace(before[1], ranges=((-1.0, 1.0), (0.0, 5.0))),
             replace(before[2], bitwidth=4, ranges=((-9.0, 9.0),))]

    found = snapshot.drifts(before, after)

    assert [drift.tensor for drift in found] == ["b:0", "a:0"]
    assert [drift.change for drift in found] == pytest.approx([0.5, 0.01])
    assert str(found[0]) == "b:0: [0, 10] -> [0, 5], 50 % of its range"


_FIRST = replace(_PLACED, tensor="bias_value_1:0")
_SECOND = replace(_PLACED, tensor="bias_value_3:0", enabled=False, ranges=())
_OTHER = replace(_PLACED, ranges=((-1.0, 8.0),))


@pytest.mark.parametrize(("after", "renumbered"), [
    ([_FIRST, _SECOND, _OTHER], False),
    ([replace(_FIRST, tensor="bias_value_3:0"), replace(_SECOND, tensor="bias_value_1:0"), _OTHER], True),
    ([replace(_FIRST, tensor="conv/BiasAdd:0"), _SECOND, _OTHER], True),
    ([replace(_FIRST, tensor="bias_value_3:0", ranges=((-1.0, 3.00002),)),
      replace(_SECOND, tensor="bias_value_1:0"), _OTHER], True),
    ([replace(_FIRST, tensor="bias_value_3:0", ranges=((-1.0, 3.1),)),
      replace(_SECOND, tensor="bias_value_1:0"), _OTHER], False),
    ([replace(_FIRST, tensor="bias_value_3:0"), replace(_SECOND, tensor="bias_value_1:0"),
      replace(_OTHER, bitwidth=4)], False),
    ([_FIRST, _OTHER], False),
    ([replace(_OTHER, tensor="bias_value_1:0"), _SECOND, replace(_FIRST, tensor="a:0")], False),
], ids=["same", "swapped", "kept_own_bias", "last_bits", "moved", "another_too", "lost", "of_a_named_one"])
def test_biases_under_other_numbers_are_known_by_their_quantizers_and_ranges(after: List[Placed],
                                                                            renumbered: bool) -> None:
    assert snapshot.renumbered([_FIRST, _SECOND, _OTHER], after) is renumbered
