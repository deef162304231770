"""Numerical jitter, and the tolerance that follows from it."""

import itertools

import numpy as np
import pytest

from quant_accuracy.judging import jitter
from quant_accuracy.judging.jitter import Jitter
from tests.support.figures import all_metrics

_MANY = len(jitter.SCALES)


def test_a_new_value_lies_within_the_tolerance_in_99_of_100_cases() -> None:
    random = np.random.RandomState(0)
    draws = random.normal(0.6, 0.02, size=[20_000, _MANY + 1])

    inside = [abs(draw[-1] - jitter.centre(tuple(draw[:-1]))) <= jitter.tolerance(tuple(draw[:-1])) for draw in draws]

    assert np.mean(inside) == pytest.approx(0.99, abs=0.003)


def test_a_blessed_figure_lies_within_its_own_tolerance_however_odd_it_is() -> None:
    for odd in (0.3, 0.61, 0.6001):
        values = (odd, *[0.6] * (_MANY - 1))
        assert abs(odd - jitter.centre(values)) <= jitter.tolerance(values)


def test_the_tolerance_is_never_smaller_than_half_of_the_last_printed_digit() -> None:
    assert jitter.tolerance((0.5,) * _MANY) == 0.0005


def test_jitter_collects_figures_classes_and_shards_for_each_scale() -> None:
    steps = [0.001 * step for step in range(_MANY)]
    found = jitter.collect([all_metrics(0.6, car=0.7, dog=None)] * _MANY,
                           [all_metrics(0.6 - step, car=0.7 - 2 * step, dog=None) for step in steps],
                           [{"s0": 0.5, "s1": 0.7}] * _MANY, [{"s0": 0.5 - step, "s1": 0.7 + step} for step in steps])

    assert found.figures[jitter.DROP] == pytest.approx(steps)
    assert list(found.class_drops()) == ["car"]
    assert found.class_drops()["car"] == pytest.approx([2 * step for step in steps])
    assert found.classes[jitter.QUANTIZED_MAP]["car"] == pytest.approx([0.7 - 2 * step for step in steps])
    assert found.of_shards(jitter.QUANTIZED_MAP, ["s0", "s1"]).centre == pytest.approx(0.6)
    assert found.of_shards(jitter.QUANTIZED_MAP, ["s1"]).centre == pytest.approx(0.704)


def test_every_part_of_the_shards_is_right_in_99_of_100_unchanged_runs_however_quiet_its_nine_values_look() -> None:
    random = np.random.RandomState(0)
    shards, parts = 8, list(itertools.combinations(range(8), 3))
    red = np.zeros([60, len(parts)])
    for trial in range(len(red)):
        runs = random.normal(0.6, np.linspace(0.002, 0.004, shards), size=[_MANY + 200, shards])
        of_shards = {str(shard): tuple(runs[:_MANY, shard]) for shard in range(shards)}
        moves = Jitter({}, {}, {jitter.QUANTIZED_MAP: of_shards})
        for position, part in enumerate(parts):
            found = moves.of_shards(jitter.QUANTIZED_MAP, [str(shard) for shard in part])
            means = runs[_MANY:, list(part)].mean(axis=1)
            red[trial, position] = np.mean(np.abs(means - found.centre) > found.tolerance)

    assert red.mean(axis=0).max() < 0.01
    # By their own nine values alone some parts would be red in one of ten unchanged runs, and are not now.
    assert red.max() < 0.1


def test_shards_that_move_together_are_not_taken_for_independent_ones() -> None:
    values = tuple(0.6 + 0.001 * step for step in range(_MANY))
    moves = Jitter({}, {}, {jitter.FLOAT_MAP: dict.fromkeys("abc", values)})

    assert moves.of_shards(jitter.FLOAT_MAP, ["a", "b", "c"]).tolerance == pytest.approx(jitter.tolerance(values))
