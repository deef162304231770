"""Which ops are healthy, and in which order the others are named."""

from typing import Sequence

import pytest

from quant_accuracy.device.depth.records import Depth, Difference, Op


def _op(place: int, most: float, mean: float, rms: float = 0.0, elements: int = 1000, accumulated: float = 0.0,
        causes: Sequence[str] = ()) -> Op:
    beyond = 0.25 if most > 1.5 else 0.0
    return Op(place, "CONV_2D", f"conv_{place}:0", f"conv_{place}", elements, 0.1,
              Difference(most, mean, rms or mean, 0.0, beyond), Difference(accumulated, accumulated, accumulated, 0, 0),
              tuple(causes))


@pytest.mark.parametrize(("op", "healthy"), [
    (_op(1, 0.0, 0.0), True),
    (_op(1, 1.00002, 0.01), True),
    (_op(1, 2.0, 0.002), False),
    (_op(1, 1.0, 0.3), False),
    (_op(1, 0.5, 0.5), False),
    # A tie among twelve elements is no rule.
    (_op(1, 1.0, 1 / 12, elements=12), True),
])
def test_an_op_is_healthy_that_is_nowhere_beyond_a_step_and_rarely_one_away(op: Op, healthy: bool) -> None:
    assert op.healthy is healthy


def test_what_goes_beyond_a_step_comes_before_what_is_within_and_the_larger_before_the_smaller() -> None:
    ops = [_op(0, 0.5, 0.5, 0.5), _op(1, 2.0, 0.1, 0.2), _op(2, 1.0, 0.01), _op(3, 9.0, 0.2, 0.9)]

    assert [op.place for op in Depth("tflite", "", 1, ops).unhealthy()] == [3, 1, 0]


def test_lines_name_op_tensor_steps_share_and_cause_worst_first() -> None:
    depth = Depth("tflite", "", 4, [_op(1, 1.0, 0.01, accumulated=0.5),
                                    _op(2, 3.0, 0.5, accumulated=2.0, causes=["range differs"]),
                                    _op(3, 1.0, 0.01, accumulated=7.0)])

    assert depth.lines() == [
        "1 of 3 ops of tflite differ from the simulation by themselves (4 images), worst first: "
        "#2 CONV_2D conv_2:0 (up to 3.0 steps, mean 0.50, 25.0 % of elements beyond one): range differs",
        "accumulated, the difference grows beyond one step (RMS) at #2 of 3, conv_2:0, and is largest at #3, "
        "conv_3:0: 7.0 steps"]


def test_lines_of_a_healthy_model_say_so() -> None:
    depth = Depth("tflite", "", 4, [_op(1, 1.0, 0.01, accumulated=0.5)])

    assert depth.lines() == [
        "each of 1 ops of tflite, fed with the simulation's tensors, is within one step of it (4 images)",
        "accumulated, the difference stays within one step (RMS, at most 0.50 at #1 conv_1:0)"]


def test_a_model_without_ops_has_a_line_all_the_same() -> None:
    assert len(Depth("tflite", "", 0, []).lines()) == 1
