"""Baselines, snapshots, numerical jitter, and what is compared with them."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.graph import scale
from quant_accuracy.judging import baseline, coverage, gates, jitter
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Classes, Figures, Part
from quant_accuracy.quantization import assumptions, snapshot
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Override, Quantizer, Symmetry
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.scoring.metrics import FIGURES, Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings.card import CLASS_BASELINES, Gate

_PLACED = Placed("a:0", ACTIVATION, True, 8, False, "defaults", ((-1.0, 3.0),))
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


def _metrics(mean_ap: float, **classes: Any) -> Metrics:
    return Metrics({**dict.fromkeys(FIGURES), "mAP": mean_ap}, classes, 10, 100)


def test_jitter_collects_figures_classes_and_shards_for_each_scale() -> None:
    steps = [0.001 * step for step in range(_MANY)]
    found = jitter.collect([_metrics(0.6, car=0.7, dog=None)] * _MANY,
                           [_metrics(0.6 - step, car=0.7 - 2 * step, dog=None) for step in steps],
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


@pytest.fixture
def committed() -> Baseline:
    values = tuple(0.6 + 0.001 * step for step in range(_MANY))
    shards = {"x": values, "y": tuple(value + 0.1 for value in values)}
    classes = {"car": values}
    found = Jitter({jitter.FLOAT_MAP: values, jitter.QUANTIZED_MAP: values, jitter.DROP: (0.0,) * _MANY},
                   dict.fromkeys(jitter.VARIANT_FIGURES, classes), dict.fromkeys(jitter.VARIANT_FIGURES, shards))
    return Baseline({"float": _metrics(0.61, car=0.6, dog=None), "quantized": _metrics(0.6, car=0.6, dog=None)}, found,
                    {"data": {"annotations": "aa", "shards": {"s0": "x", "s1": "y"}}, "versions": {"numpy": "1.18.5"}})


def test_a_baseline_is_read_as_it_was_written(committed: Baseline, tmp_path: Path) -> None:
    wide = replace(_PLACED, tensor="w:0", kind=PARAM, ranges=((-1.0, 0.1), (-3.0, 1 / 3)))

    baseline.write(tmp_path / "mine", "mine", committed, [_PLACED, wide])

    assert baseline.read(tmp_path / "mine") == committed
    assert baseline.read_quantizers(tmp_path / "mine") == [_PLACED, wide]
    assert len((tmp_path / "mine" / "quantizers.json").read_text().splitlines()) == 4


def test_a_missing_baseline_is_none(tmp_path: Path) -> None:
    assert baseline.read(tmp_path) is None
    assert baseline.read_quantizers(tmp_path) is None


@pytest.mark.parametrize(("key", "value", "message"), [
    ("jitter", {}, "jitter.figures.float mAP is missing"),
    ("metrics", {"float": {"figures": {"mAP": 2}}}, "metrics.float.figures.mAP is 2; give a number from 0 to 1"),
    ("schema_version", 1, "schema_version is 1, not 2"),
    ("provenance", [], "provenance is not a mapping"),
    ("more", 1, "more is unknown"),
])
def test_a_damaged_baseline_names_the_place(committed: Baseline, tmp_path: Path, key: str, value: Any,
                                            message: str) -> None:
    path = baseline.write(tmp_path, "mine", committed, [_PLACED])[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    with pytest.raises(ConfigurationError, match=message):
        baseline.read(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}'])
def test_damaged_figures_name_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text)

    with pytest.raises(ConfigurationError, match="figures.json"):
        baseline.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"tensor": "a:0", "kind": "other"}]', "[" * 10000])
def test_a_damaged_snapshot_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "quantizers.json").write_text(text)

    with pytest.raises(ConfigurationError, match="quantizers.json"):
        baseline.read_quantizers(tmp_path)


def test_a_snapshot_that_contradicts_itself_names_the_tensor(tmp_path: Path) -> None:
    for placed, message in (([_PLACED, replace(_PLACED, bitwidth=4)], "a:0 stands twice"),
                            ([replace(_PLACED, ranges=((5.0, 1.0),))], "smallest value is above its largest")):
        snapshot.write(tmp_path / "quantizers.json", placed)

        with pytest.raises(ConfigurationError, match=message):
            baseline.read_quantizers(tmp_path)


_SHOWN = ClassImages(np.array([30, 0]), np.array([30, 0]))


def _judge(committed: Any, value: float, gate: str = "mAP_baseline", classes: Any = None, **more: Any) -> Any:
    known: Dict[str, Any] = {"part": None, "shard_maps": None, "jitter": None, "model": "--model mine",
                             "provenance": committed and committed.provenance, **more}
    metrics = _metrics(value, **({"car": 0.6, "dog": None} if classes is None else classes))
    figures = Figures(metrics, metrics, Classes(_SHOWN, np.zeros(2), np.array([50, 0])), baseline=committed, **known)
    return gates.judge_one(Gate(gate, None), figures)


@pytest.mark.parametrize(("value", "outcome"), [(0.6, PASS), (0.604, PASS), (0.595, PASS), (0.594, FAIL),
                                                (0.614, FAIL)])
def test_a_figure_has_to_lie_within_the_jitter_of_its_baseline(committed: Baseline, value: float,
                                                               outcome: str) -> None:
    verdict = _judge(committed, value)

    assert verdict.outcome == outcome
    assert [verdict.lower, verdict.upper] == pytest.approx([0.604 - verdict.jitter, 0.604 + verdict.jitter])


def test_a_missing_baseline_fails_with_the_remedy() -> None:
    verdict = _judge(None, 0.6)

    assert verdict.outcome == FAIL
    assert "`./run pytest --model mine --update-baselines`" in verdict.message


def test_some_shards_are_compared_with_the_same_shards_of_the_baseline(committed: Baseline) -> None:
    value, samples = np.full(1, 0.1), np.full([9, 1], 0.1)
    shown = ClassImages(np.array([30]), np.array([60]))
    part = Part(PartialAps(value, value, samples, samples, shown), 20, 1, 1)
    of_part = {**committed.provenance, "data": {"annotations": "aa", "shards": {"s1": "y"}}}

    same = _judge(committed, 0.3, part=part, provenance=of_part, shard_maps={jitter.QUANTIZED_MAP: {"y": 0.7}})
    moved = _judge(committed, 0.3, part=part, provenance=of_part, shard_maps={jitter.QUANTIZED_MAP: {"y": 0.6}})
    cut = _judge(committed, 0.3, part=part, provenance=of_part)
    of_classes = _judge(committed, 0.3, "class_AP_baseline", part=part, provenance=of_part)

    assert [same.outcome, moved.outcome, cut.outcome, of_classes.outcome] == [PASS, FAIL, INCONCLUSIVE, INCONCLUSIVE]
    assert "mean of the quantized mAP of 1 shard 0.7000" in same.message
    # Not the figure that the other rows of the table call so.
    assert [same.figure, _judge(committed, 0.6).figure] == ["mean shard quantized mAP", None]


def test_shards_are_known_by_their_content_whatever_their_names_and_order(committed: Baseline) -> None:
    renamed = {**committed.provenance, "data": {"annotations": "aa", "shards": {"val-1": "x", "val-0": "y"}}}

    assert baseline.incomparable(committed, renamed, whole=True) is None
    assert _judge(committed, 0.604, provenance=renamed).outcome == PASS


@pytest.mark.parametrize(("data", "whole", "reason"), [
    ({"annotations": "aa", "shards": {"s0": "x", "s1": "changed"}}, False, "does not know the images of s1"),
    ({"annotations": "aa", "shards": {"s0": "x"}}, True, "the baseline has more images, those of s1"),
    ({"annotations": "bb", "shards": {"s0": "x", "s1": "y"}}, True, "the annotations have changed since"),
    ({"annotations": "aa", "shards": {"s0": "x", "s1": "y"}, "preprocessing": "crop"}, True,
     "other data settings (preprocessing none -> crop)"),
])
def test_what_makes_a_baseline_incomparable_is_named_for_what_it_is(committed: Baseline, data: Any, whole: bool,
                                                                   reason: str) -> None:
    other = {**committed.provenance, "data": data}

    found = baseline.incomparable(committed, other, whole)

    assert found is not None
    assert reason in found
    assert ("images" in reason) == ("images" in found)


def test_a_missing_shard_makes_no_difference_on_a_part_and_other_versions_are_named(committed: Baseline) -> None:
    missing = {**committed.provenance, "data": {"annotations": "aa", "shards": {"s0": "x"}}}
    newer = {**committed.provenance, "versions": {"numpy": "1.19.0"}}

    assert baseline.incomparable(committed, missing, whole=False) is None
    assert _judge(committed, 0.604, provenance=missing).outcome == FAIL
    assert "versions.numpy 1.18.5 -> 1.19.0" in _judge(committed, 0.5, provenance=newer).message
    assert "are those of the baseline" in _judge(committed, 0.5).message


@pytest.mark.parametrize("gate", CLASS_BASELINES)
@pytest.mark.parametrize(("classes", "outcome", "words"), [
    ({"car": 0.604, "dog": None}, PASS, "is that of the baseline within its jitter"),
    ({"car": 0.5, "dog": None}, FAIL, "1 of 1 classes is not that of the baseline: car 0.6040"),
    ({"car": 0.7, "dog": None}, FAIL, "-> 0.7000"),
    ({"car": 0.604, "dog": 0.3}, FAIL, "dog not in the baseline -> 0.3000"),
    ({"car": None, "dog": None}, FAIL, "car 0.6040"),
])
def test_each_class_of_either_variant_is_held_to_its_own_jitter(committed: Baseline, gate: str, classes: Any,
                                                                outcome: str, words: str) -> None:
    verdict = _judge(committed, 0.604, gate, classes)

    assert verdict.outcome == outcome
    assert words in verdict.message


def test_a_class_may_move_by_one_box_even_where_nine_values_are_equal(committed: Baseline) -> None:
    still = {"car": (0.6,) * _MANY}
    quiet = replace(committed, jitter=replace(committed.jitter, classes=dict.fromkeys(jitter.VARIANT_FIGURES, still)))

    # One of 50 objects crosses one of ten IoU thresholds.
    near, far = (_judge(quiet, 0.6, "float_class_AP_baseline", {"car": 0.6 + change, "dog": None})
                 for change in (0.00199, 0.00201))

    assert [near.outcome, far.outcome] == [PASS, FAIL]


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


@pytest.mark.parametrize(("evaluated", "lines"), [
    ([3, 1, 2], []),
    ([1, 2], ["1 images not evaluated: 3"]),
    ([1, 2, 3, 2, 2], ["1 images evaluated more than once: 2"]),
    ([1, 2, 3, 9], ["1 images evaluated, but not expected: 9"]),
    ([], ["3 images not evaluated: 1, 2, 3"]),
])
def test_coverage_names_the_images_that_are_missing_or_too_many(evaluated: List[int], lines: List[str]) -> None:
    assert coverage.differences([1, 2, 3], evaluated) == lines


def _quantizer(**more: Any) -> Quantizer:
    values: Dict[str, Any] = {"name": "a_quantized", "tensor": "a:0", "kind": ACTIVATION, "bitwidth": 8,
                              "symmetry": Symmetry(), "enabled": True, "rule": "defaults", **more}
    return Quantizer(**values)


_GOOD = Encoding(-1.0, 3.0, 4 / 255, -64, 8)


def test_settings_are_compared_with_the_assumptions_of_the_card() -> None:
    plain = Assumptions()
    special = Assumptions(overrides=(Override("a*", 4), Override("a:0", symmetric=True)))

    assert assumptions.wrong_settings(_quantizer(), [_GOOD], plain) == []
    assert assumptions.wrong_settings(_quantizer(bitwidth=4), [replace(_GOOD, bitwidth=4)], plain) == [
        "the encoding has 4 bits, the card says 8", "the quantizer has 4 bits, the card says 8"]
    assert assumptions.wrong_settings(_quantizer(), [replace(_GOOD, bitwidth=4)], plain) == [
        "the encoding has 4 bits, the card says 8"]
    assert assumptions.wrong_settings(_quantizer(), [replace(_GOOD, symmetric=True)], plain) == [
        "the encoding is symmetric, the card says asymmetric"]
    assert assumptions.wrong_settings(_quantizer(bitwidth=4, symmetry=Symmetry(symmetric=True)),
                                      [replace(_GOOD, bitwidth=4, symmetric=True)], special) == []


@pytest.mark.parametrize(("change", "reason"), [
    ({}, None),
    ({"minimum": float("nan")}, "not a number"),
    ({"scale": float("inf")}, "not a number"),
    ({"minimum": 4.0}, "inverted"),
    ({"minimum": 3.0}, "collapsed"),
    ({"scale": 0.0}, "collapsed"),
    ({"minimum": 0.5}, "without zero"),
])
def test_an_encoding_that_cannot_be_used_is_told_by_kind(change: Dict[str, float], reason: Any) -> None:
    found = assumptions.wrong_range([_GOOD, replace(_GOOD, **change)])

    assert found is None if reason is None else found is not None and found.startswith(reason)
    assert assumptions.wrong_range([]) == "never calibrated: it has no encoding"


def test_a_scaled_input_reaches_all_that_use_it_and_nothing_else(
        run_graph: Callable[..., Sequence[np.ndarray]]) -> None:
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [2], name="images"), name="start")
        tf.add(start * 2.0, start, name="end")
        tf.identity(graph.get_tensor_by_name("images:0"), name="aside")
    feed = {"images:0": np.array([1.0, 3.0], np.float32)}

    scaled = scale.scale_input(graph.as_graph_def(), "start")

    for factor in (1.0, 1.5):
        end, aside = run_graph(scaled, ["end:0", "aside:0"], {**feed, f"{scale.FACTOR}:0": np.float32(factor)})
        np.testing.assert_array_equal(end, feed["images:0"] * np.float32(factor) * 3)
        np.testing.assert_array_equal(aside, feed["images:0"])
    with pytest.raises(GraphError, match="no op 'begin'"):
        scale.scale_input(graph.as_graph_def(), "begin")
    with pytest.raises(GraphError, match="nothing uses the starting op 'end'"):
        scale.scale_input(graph.as_graph_def(), "end")
