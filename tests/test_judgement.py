"""Gates, model cards, options and the cache."""

import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
import pytest

from quant_accuracy import card, files, options
from quant_accuracy import request as requests
from quant_accuracy.cache import Cache
from quant_accuracy.card import DataPaths, Gate
from quant_accuracy.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS, Figures, Samples
from quant_accuracy.options import Values
from quant_accuracy.scoring.metrics import Metrics


def _metrics(mean_ap: Optional[float], **classes: float) -> Metrics:
    return Metrics({"mAP": mean_ap}, classes, 10, 100)


def _of(before: Metrics, after: Metrics, samples: Optional[Samples] = None, **more: Any) -> Figures:
    known: Dict[str, Any] = {"shard_maps": None, "baseline": None, "jitter": None, "provenance": {}, **more}
    return Figures(before, after, samples, model="mine", **known)


def _figures(before: float, after: float, samples: Optional[Samples] = None, **more: Any) -> Figures:
    return _of(_metrics(before), _metrics(after), samples, **more)


def _samples(before: np.ndarray, after: np.ndarray) -> Samples:
    """Resamples of a data set of one class."""
    return Samples(before[:, None], after[:, None], images=40, shards=2, others=8)


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
    samples = _samples(np.full(1000, before), after + spread)

    verdict = gates.judge_one(Gate(gate, limit), _figures(before, after, samples))

    assert verdict.outcome == outcome
    assert verdict.interval is not None
    assert verdict.value is not None
    assert verdict.interval.low < verdict.value < verdict.interval.high
    assert ("evaluate all shards" in verdict.message or "more shards" in verdict.message) \
        == (outcome == INCONCLUSIVE)


def test_an_inconclusive_verdict_says_how_many_shards_would_settle_it() -> None:
    spread = np.linspace(-0.01, 0.01, 1001)
    # The interval reaches 0.0095 beyond the value, the limit is 0.005 away: (0.0095 / 0.005)^2 = 3.6 times the images.
    samples = _samples(np.full(1001, 0.7), 0.685 + spread)

    verdict = gates.judge_one(Gate("mAP_drop", 0.02), _figures(0.7, 0.685, samples))

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
    assert "nearer to the limit than the numerical jitter of 0.0024" in near.message
    assert "jitter" not in far.message


@pytest.mark.parametrize(("before", "outcome"), [(0.2440, PASS), (0.2498, PASS), (0.2438, FAIL),
                                                 (0.2500, FAIL)])
def test_an_expected_figure_may_be_missed_on_neither_side(before: float, outcome: str) -> None:
    verdict = gates.judge_one(Gate("float_mAP", 0.003, 0.2469), _figures(before, 0.1))

    assert verdict.outcome == outcome
    assert [verdict.lower, verdict.upper] == pytest.approx([0.2439, 0.2499])


def _classes(samples: Optional[Samples] = None, **drops: float) -> Figures:
    before = _metrics(0.7, **dict.fromkeys(drops, 0.7))
    after = _metrics(0.7, **{name: 0.7 - drop for name, drop in drops.items()})
    return _of(before, after, samples)


def test_the_class_that_lost_most_decides_and_is_named() -> None:
    good = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.01, dog=0.04, cat=-0.2))
    bad = gates.judge_one(Gate("class_AP_drop", 0.05), _classes(car=0.07, dog=0.3, cat=-0.2))

    assert [good.outcome, bad.outcome] == [PASS, FAIL]
    assert [good.value, bad.value] == pytest.approx([0.04, 0.3])
    assert "worst classes: dog 0.0400, car 0.0100, cat -0.2000" in good.message
    assert "2 such classes: dog 0.3000, car 0.0700" in bad.message


def test_a_class_without_ground_truth_is_not_judged_and_without_any_nothing_is() -> None:
    empty = Metrics({"mAP": None}, {"car": None}, 10, 100)

    with pytest.raises(QuantAccuracyError, match="no ground truth"):
        gates.judge_one(Gate("class_AP_drop", 0.05), _of(empty, empty))


@pytest.mark.parametrize(("drop", "outcome"), [(0.01, PASS), (0.05, INCONCLUSIVE), (0.2, FAIL)])
def test_on_a_part_of_the_data_one_class_beyond_its_interval_fails(drop: float, outcome: str) -> None:
    spread = np.linspace(-0.01, 0.01, 1000)
    before = np.full([1000, 2], 0.7)
    after = np.stack([0.7 - drop + spread, 0.7 + spread], axis=1)

    verdict = gates.judge_one(Gate("class_AP_drop", 0.05),
                              _classes(Samples(before, after, 40, 2, 8), dog=drop, car=0.0))

    assert verdict.outcome == outcome
    # Two classes are judged at once, so each interval has to hold with more confidence than 95 %.
    assert verdict.interval is not None
    assert verdict.interval.high - verdict.interval.low > 0.95 * 0.02


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
    ("x: !!python/object/apply:os.system [ls]", "not YAML"),
])
def test_a_wrong_card_says_what_is_wrong_and_where(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        card.load(_write_card(tmp_path, _CARD + line + "\n"))


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
