"""Gates, model cards, options and the cache."""

import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import pytest

from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Classes, Figures, Part
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings import card, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths, Gate
from quant_accuracy.settings.options import Values


def _metrics(mean_ap: Optional[float], **classes: float) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


def _of(before: Metrics, after: Metrics, part: Optional[Part] = None, images: int = 40, deviation: float = 0.0,
        **more: Any) -> Figures:
    """Figures of a data set whose classes all stand in so many evaluated images."""
    count = len(before.per_class)
    evaluated = np.full(count, images)
    classes = Classes(ClassImages(evaluated, 10 * evaluated), np.full(count, deviation), 2 * evaluated)
    known: Dict[str, Any] = {"shard_maps": None, "baseline": None, "jitter": None, "provenance": {}, **more}
    return Figures(before, after, classes, part, model="mine", **known)


def _figures(before: float, after: float, part: Optional[Part] = None, **more: Any) -> Figures:
    return _of(_metrics(before), _metrics(after), part, **more)


def _part(before: np.ndarray, after: np.ndarray, absent: int = 0, images: int = 40) -> Part:
    """Resamples of a data set of one class, and so many others that no evaluated image shows."""
    nothing = np.full([len(before), absent], np.nan)
    samples = [np.concatenate([side[:, None], nothing], axis=1) for side in (before, after)]
    values = [np.concatenate([[side.mean()], nothing[0]]) for side in (before, after)]
    shown = ClassImages(np.array([images, *[0] * absent]), np.array([400, *[5] * absent]))
    return Part(PartialAps(values[0], values[1], samples[0], samples[1], shown), images=40, shards=2, others=8)


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome", "value"), [
    ("float_mAP_floor", 0.5, 0.5, 0.1, PASS, 0.5),
    ("float_mAP_floor", 0.5, 0.4999, 0.9, FAIL, 0.4999),
    ("mAP_floor", 0.5, 0.1, 0.5, PASS, 0.5),
    ("mAP_floor", 0.5, 0.9, 0.49, FAIL, 0.49),
    ("mAP_drop", 0.02, 0.70, 0.69, PASS, 0.01),
    ("mAP_drop", 0.02, 0.70, 0.67, FAIL, 0.03),
    ("mAP_drop", 0.02, 0.70, 0.75, PASS, -0.05),
    ("mAP_ratio", 0.99, 0.70, 0.695, PASS, 0.695 / 0.70),
    ("mAP_ratio", 0.99, 0.70, 0.69, FAIL, 0.69 / 0.70),
])
def test_a_gate_judges_by_its_limit(gate: str, limit: float, before: float, after: float, outcome: str,
                                    value: float) -> None:
    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after))

    assert verdict.outcome == outcome
    assert verdict.value == pytest.approx(value)
    assert f"{limit:g}" in verdict.message


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome"), [
    ("mAP_drop", 0.02, 0.70, 0.695, PASS),
    ("mAP_drop", 0.02, 0.70, 0.670, FAIL),
    ("mAP_drop", 0.02, 0.70, 0.682, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.70, 0.678, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.70, 0.70, PASS),
    ("mAP_ratio", 0.99, 0.70, 0.68, FAIL),
    ("mAP_ratio", 0.99, 0.70, 0.692, INCONCLUSIVE),
    ("mAP_floor", 0.5, 0.70, 0.51, PASS),
    ("mAP_floor", 0.5, 0.70, 0.49, FAIL),
    ("mAP_floor", 0.5, 0.70, 0.5001, INCONCLUSIVE),
])
def test_on_a_part_of_the_data_the_whole_interval_has_to_lie_on_one_side(gate: str, limit: float, before: float,
                                                                         after: float, outcome: str) -> None:
    # Images are harder or easier for both variants alike; their difference is known to about 0.005.
    spread = np.linspace(-0.005, 0.005, 1000)
    part = _part(np.full(1000, before), after + spread)

    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after, part))

    assert verdict.outcome == outcome
    assert verdict.interval is not None
    assert verdict.value is not None
    assert verdict.interval.low < verdict.value < verdict.interval.high
    assert ("evaluate all shards" in verdict.message or "more shards" in verdict.message) \
        == (outcome == INCONCLUSIVE)


def test_an_inconclusive_verdict_says_how_many_shards_would_settle_it() -> None:
    spread = np.linspace(-0.01, 0.01, 1001)
    # The interval reaches 0.0095 beyond the value, the limit is 0.005 away: (0.0095 / 0.005)^2 = 3.6 times the images.
    part = _part(np.full(1001, 0.7), 0.685 + spread)

    verdict = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.685, part))

    assert "6 more shards would probably settle it" in verdict.message


def test_every_gate_of_the_cards_has_a_rule() -> None:
    figures = _of(_metrics(0.5, car=0.5), _metrics(0.5, car=0.5))
    names = [gate for gate in card.GATES if gate != card.ENCODINGS_DRIFT]

    assert [gates.judge_one(Gate(gate, 0.5, 0.5), figures).gate for gate in names] == names


def test_a_verdict_within_the_jitter_of_its_limit_says_so() -> None:
    moves = Jitter({name: (0.01, *[0.012] * 8) for name in jitter.FIGURES}, {}, {})

    near = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.681, jitter=moves))
    far = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.69, jitter=moves))

    assert near.outcome == far.outcome == PASS
    assert "within the numerical jitter of 0.0024 of the limit" in near.message
    assert "jitter" not in far.message


@pytest.mark.parametrize(("before", "outcome"), [(0.2440, PASS), (0.2498, PASS), (0.2438, FAIL),
                                                 (0.2500, FAIL)])
def test_an_expected_figure_may_be_missed_on_neither_side(before: float, outcome: str) -> None:
    verdict = gates.judge_one(Gate("float_mAP", 0.003, 0.2469), _figures(before, 0.1))

    assert verdict.outcome == outcome
    assert [verdict.lower, verdict.upper] == pytest.approx([0.2439, 0.2499])


def _classes(images: int = 40, deviation: float = 0.0, part: Optional[Part] = None, moves: Optional[Jitter] = None,
             **drops: float) -> Figures:
    before = _metrics(0.7, **dict.fromkeys(drops, 0.7))
    after = _metrics(0.7, **{name: 0.7 - drop for name, drop in drops.items()})
    return _of(before, after, part, images, deviation, jitter=moves)


_SOME_PART = _part(np.full(10, 0.7), np.full(10, 0.7))


def test_the_class_that_lost_most_decides_and_is_named() -> None:
    good = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.01, dog=0.04, cat=-0.2))
    bad = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.07, dog=0.3, cat=-0.2))

    assert [good.outcome, bad.outcome] == [PASS, FAIL]
    assert [good.value, bad.value] == pytest.approx([0.04, 0.3])
    assert "worst classes: dog 0.0400, car 0.0100, cat -0.2000" in good.message
    assert "2 classes: dog 0.3000, car 0.0700" in bad.message


def test_a_class_without_ground_truth_is_not_judged_and_without_any_nothing_is() -> None:
    empty = Metrics({"mAP": None}, {"car": None}, 10, 100)

    with pytest.raises(QuantAccuracyError, match="no ground truth"):
        gates.judge_one(Gate("class_AP_drop", 0.05), _of(empty, empty))


@pytest.mark.parametrize("part", [None, _SOME_PART])
def test_a_class_in_fewer_images_than_its_confidence_needs_is_not_judged_and_says_how_many(
        part: Optional[Part]) -> None:
    # Two classes at once with 95 %: 1 - 2^(1 - n) is at least 0.975 from 7 images on.
    verdicts = [gates.judge_one(Gate("class_AP_drop", 0.05), _classes(images, 0.0, part, cup=0.3, dog=0.0))
                for images in (1, 6, 7)]

    assert [verdict.outcome for verdict in verdicts] == [INCONCLUSIVE, INCONCLUSIVE, FAIL]
    assert "2 classes with fewer than the 7 images that a verdict on 2 classes needs: cup 0.3000 in 1" \
        in verdicts[0].message
    assert verdicts[0].interval is None
    assert ("evaluate all shards" in verdicts[0].message) == (part is not None)


@pytest.mark.parametrize(("drop", "on_a_part", "on_all"), [
    (0.01, PASS, PASS), (0.045, INCONCLUSIVE, PASS), (0.055, INCONCLUSIVE, INCONCLUSIVE), (0.2, FAIL, FAIL)])
def test_a_class_fails_only_where_its_whole_interval_lies_beyond_the_limit(drop: float, on_a_part: str,
                                                                           on_all: str) -> None:
    of_part, of_all = (gates.judge_one(Gate("class_AP_drop", 0.05), _classes(40, 0.005, part, dog=drop, car=0.0))
                       for part in (_SOME_PART, None))

    assert [of_part.outcome, of_all.outcome] == [on_a_part, on_all]
    # Two classes at once: Student's t with 39 degrees of freedom holds 97.5 % within 2.33 deviations.
    assert of_part.interval is not None
    assert of_part.interval.high - of_part.interval.low == pytest.approx(2 * 2.331 * 0.005 * (40 / 39) ** 0.5, rel=1e-3)


def test_a_limit_within_the_jitter_of_a_class_cannot_be_judged_and_says_so() -> None:
    values: Dict[str, Dict[str, Tuple[float, ...]]] = {
        jitter.FLOAT_MAP: {"dog": (0.7,) * 9}, jitter.QUANTIZED_MAP: {"dog": (0.7, *[0.676] * 8)}}
    moves = Jitter({}, values, {})
    reach = jitter.tolerance(moves.class_drops()["dog"])

    near, far = (gates.judge_one(Gate("class_AP_drop", 0.05), _classes(40, 0.001, None, moves, dog=drop))
                 for drop in (0.05 - 0.9 * reach, 0.05 - 1.1 * reach))

    assert [near.outcome, far.outcome] == [INCONCLUSIVE, PASS]
    assert "within the numerical jitter of the limit: dog" in near.message
    assert near.jitter == pytest.approx(reach)


def test_the_mean_ap_of_a_part_is_known_downwards_only_by_classes_in_many_images() -> None:
    many, few, low = (gates.judge_one(Gate("mAP_floor", 0.5), _figures(
        0.7, after, _part(np.full(10, 0.7), np.full(10, after), images=images)))
        for after, images in ((0.7, 40), (0.7, 3), (0.1, 3)))

    # That it is too low can be told all the same: few images make it too high.
    assert [many.outcome, few.outcome, low.outcome] == [PASS, INCONCLUSIVE, FAIL]
    assert "1 of 1 classes count as 0, which fewer than 6 evaluated images show" in few.message


def test_classes_without_images_widen_an_interval_and_forbid_one_where_they_are_more_than_the_others() -> None:
    one, two = (gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.7, _part(np.full(10, 0.7), np.full(10, 0.7),
                                                                                absent))) for absent in (1, 2))

    assert [one.outcome, two.outcome] == [PASS, INCONCLUSIVE]
    assert "the interval allows for 1 of 2 classes without ground truth" in one.message
    assert "no interval is honest: 2 of 3 classes have no ground truth in the evaluated images" in two.message
    assert two.interval is None


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome"), [
    ("mAP_drop", 0.1, 0.0718, 0.0720, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.0014, 0.0014, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.0014, 0.0014, INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.0, 0.0, INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.0718, 0.0720, PASS),
    ("mAP_floor", 0.0, 0.0014, 0.0014, PASS),
])
def test_a_comparison_with_next_to_no_accuracy_says_nothing(gate: str, limit: float, before: float, after: float,
                                                            outcome: str) -> None:
    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after))

    assert verdict.outcome == outcome
    assert ("says nothing" in verdict.message) == (outcome == INCONCLUSIVE)


@pytest.mark.parametrize("name", [path.stem for path in card.FOLDER.glob("*.yaml")])
def test_shipped_cards_can_be_read_and_are_named_after_their_file(name: str) -> None:
    assert card.load(name).name == name


_CARD = """
name: mine
graph: {starting_op: start, output_ops: [end]}
input: {height: 300, width: 300}
"""


def _write_card(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_card_has_defaults(tmp_path: Path) -> None:
    found = card.load(_write_card(tmp_path, _CARD))

    assert found.calibration_images == 50
    assert (found.quantization.param_bitwidth, found.quantization.output_bitwidth) == (8, 8)
    assert found.graph.detections[0] == "detection_boxes"


@pytest.mark.parametrize(("line", "message"), [
    ("calibrations: {images: 5}", "calibrations is unknown; did you mean 'calibration'"),
    ("gates: {mAP_dorp: 0.1}", "gates.mAP_dorp is unknown; did you mean 'mAP_drop'"),
    ("calibration: {images: 0}", "calibration.images is 0; give a whole number"),
    ("calibration: {images: many}", "calibration.images is 'many'"),
    ("quantization: {scheme: best}", "quantization.scheme is 'best'"),
    ("gates: {mAP_drop: low}", "gates.mAP_drop is 'low'; give a number"),
    ("gates: {mAP_drop: jitter}", "gates.mAP_drop is 'jitter'; give a number"),
    ("gates: {float_mAP: 0.3}", "gates.float_mAP is not a mapping"),
    ("gates: {float_mAP: {expected: 0.3}}", "gates.float_mAP.within is missing"),
    ("gates: {mAP_drop: .nan}", "gates.mAP_drop is nan; give a number"),
    ("assumptions: {bias: false}", "assumptions.bias is unknown; did you mean 'biases'"),
    ("assumptions: {inputs: 8}", "assumptions.inputs is 8; give true or false"),
    ("gates: [1]", "gates is not a mapping"),
    ("data: {demo: 1}", "data.demo is 1; give true or false"),
    ("name: a/b", "is 'a/b'; use letters"),
    ("x: [", "not YAML"),
    ("gates: {mAP_drop: 0.1}\ngates: {mAP_drop: 0.5}", "gates stands twice, in lines 5 and 6"),
    ("gates: {mAP_drop: 0.1, mAP_drop: 0.5}", "mAP_drop stands twice"),
    ("x: !!python/object/apply:os.system [ls]", "not YAML"),
])
def test_a_wrong_card_says_what_is_wrong_and_where(tmp_path: Path, line: str, message: str) -> None:
    text = _CARD.replace("name: mine\n", "") if line.startswith("name:") else _CARD
    with pytest.raises(ConfigurationError, match=message):
        card.load(_write_card(tmp_path, text + line + "\n"))


def test_a_missing_card_names_those_that_are_there() -> None:
    with pytest.raises(ConfigurationError, match="one of ssd_mobilenet_v2_coco, ssd_mobilenet_v2_demo"):
        card.load("ssd_mobilenet_v3")


def _no_demo(cache: Cache) -> DataPaths:
    raise AssertionError("the demo is not wanted")


def test_options_overrule_the_card(tmp_path: Path) -> None:
    values: Dict[str, Any] = {"model_checkpoint": Path("m/model.ckpt"), "dataset_dir": Path("d"),
                              "annotation_json_file": Path("a.json"), "calibration_images": 7, "cache_dir": tmp_path}

    (request,), cache = requests.resolve(Values(values), _no_demo)

    assert request.card.name == options.REAL_CARD
    assert request.card.calibration_images == 7
    assert request.data.pattern == "coco_val.record-*-of-00010"
    assert cache.root == tmp_path


def test_missing_data_paths_are_named_as_options() -> None:
    with pytest.raises(ConfigurationError, match="set --model-checkpoint, --annotation-json-file, or the same"):
        requests.resolve(Values({"model": [options.REAL_CARD], "dataset_dir": Path("d")}), _no_demo)


def test_a_cache_entry_is_made_once_for_equal_inputs(tmp_path: Path) -> None:
    made: List[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "content").write_text("x")

    cache = Cache(tmp_path / "cache")
    first = cache.folder("things", {"a": 1, "b": 2}, "making", make)
    second = cache.folder("things", {"b": 2, "a": 1}, "making", make)
    other = cache.folder("things", {"a": 1, "b": 3}, "making", make)

    assert first == second != other
    assert len(made) == 2


def test_two_that_want_the_same_entry_wait_for_each_other(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.3)

    threads = [threading.Thread(target=Cache(tmp_path).folder, args=("things", {}, "making", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_an_entry_whose_making_failed_is_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.folder("things", {}, "making", fail)
    assert not cache.path("things", {}).exists()
    assert not list((tmp_path / "things").iterdir())


def _write_slowly(path: Path) -> None:
    with files.atomic_path(path) as scratch:
        scratch.write_text("half")
        time.sleep(60)


def test_a_killed_writer_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("fork").Process(target=_write_slowly, args=(tmp_path / "result",))
    writer.start()
    while not list(tmp_path.glob(".result.*/result")):
        time.sleep(0.01)
    writer.kill()
    writer.join()

    assert not (tmp_path / "result").exists()


def test_a_full_disk_is_a_clear_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to write to")

    with pytest.raises(StorageError, match="the disk is full"), files.storage_errors(Path("result")), \
            open("/dev/full", "w") as full:
        full.write("x" * 100_000)
