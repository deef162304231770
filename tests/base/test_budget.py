"""Time that may be used up."""

from typing import Tuple

from quant_accuracy.base.budget import Budget


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _budget(seconds: float) -> Tuple[Budget, _Clock]:
    clock = _Clock()
    return Budget(seconds, clock), clock


def test_what_is_left_shrinks_and_is_negative_after_the_end() -> None:
    budget, clock = _budget(10.0)

    assert budget.left() == 10.0
    clock.now += 12.0
    assert budget.left() == -2.0


def test_only_what_fits_is_allowed_and_after_the_end_nothing_however_short() -> None:
    budget, clock = _budget(10.0)

    assert budget.allows(10.0)
    assert not budget.allows(10.1)
    clock.now += 10.0
    assert not budget.allows(0.0)


def test_a_part_and_a_rest_are_of_what_is_left_now() -> None:
    budget, clock = _budget(10.0)
    clock.now += 2.0

    quarter, rest = budget.part(0.25), budget.keeping(3.0)

    assert (quarter.left(), rest.left()) == (2.0, 5.0)
    clock.now += 2.0
    assert (budget.left(), quarter.left(), rest.left()) == (6.0, 0.0, 3.0)
