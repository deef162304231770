"""Gates, model cards, options and the cache."""

import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from quant_accuracy import card, files, gates, options
from quant_accuracy.cache import Cache
from quant_accuracy.card import DataPaths
from quant_accuracy.errors import ConfigurationError, StorageError
from quant_accuracy.metrics import Metrics


def _metrics(mean_ap: float) -> Metrics:
    return Metrics({"mAP": mean_ap}, {}, 10, 100)


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome", "value"), [
    ("float_mAP_floor", 0.5, 0.5, 0.1, gates.PASS, 0.5),
    ("float_mAP_floor", 0.5, 0.4999, 0.9, gates.FAIL, 0.4999),
    ("mAP_floor", 0.5, 0.1, 0.5, gates.PASS, 0.5),
    ("mAP_floor", 0.5, 0.9, 0.49, gates.FAIL, 0.49),
    ("mAP_drop", 0.02, 0.70, 0.69, gates.PASS, 0.01),
    ("mAP_drop", 0.02, 0.70, 0.67, gates.FAIL, 0.03),
    ("mAP_drop", 0.02, 0.70, 0.75, gates.PASS, -0.05),
    ("mAP_ratio", 0.99, 0.70, 0.695, gates.PASS, 0.695 / 0.70),
    ("mAP_ratio", 0.99, 0.70, 0.69, gates.FAIL, 0.69 / 0.70),
])
def test_a_gate_judges_by_its_limit(gate: str, limit: float, before: float, after: float, outcome: str,
                                    value: float) -> None:
    verdict = gates.judge_one(gate, limit, _metrics(before), _metrics(after))

    assert verdict.outcome == outcome
    assert verdict.value == pytest.approx(value)
    assert f"{limit:g}" in verdict.message


@pytest.mark.parametrize(("gate", "limit", "before", "after", "outcome"), [
    ("mAP_drop", 0.02, 0.70, 0.695, gates.PASS),
    ("mAP_drop", 0.02, 0.70, 0.670, gates.FAIL),
    ("mAP_drop", 0.02, 0.70, 0.682, gates.INCONCLUSIVE),
    ("mAP_drop", 0.02, 0.70, 0.678, gates.INCONCLUSIVE),
    ("mAP_ratio", 0.99, 0.70, 0.70, gates.PASS),
    ("mAP_ratio", 0.99, 0.70, 0.68, gates.FAIL),
    ("mAP_ratio", 0.99, 0.70, 0.692, gates.INCONCLUSIVE),
    ("mAP_floor", 0.5, 0.70, 0.51, gates.PASS),
    ("mAP_floor", 0.5, 0.70, 0.49, gates.FAIL),
    ("mAP_floor", 0.5, 0.70, 0.5001, gates.INCONCLUSIVE),
])
def test_on_a_part_of_the_data_the_whole_interval_has_to_lie_on_one_side(gate: str, limit: float, before: float,
                                                                         after: float, outcome: str) -> None:
    # Images are harder or easier for both variants alike; their difference is known to about 0.005.
    spread = np.linspace(-0.005, 0.005, 1000)
    samples = gates.Samples(np.full(1000, before), after + spread, images=40, shards=2, others=8)

    verdict = gates.judge_one(gate, limit, _metrics(before), _metrics(after), samples)

    assert verdict.outcome == outcome
    assert verdict.interval is not None
    assert verdict.interval.low < verdict.value < verdict.interval.high
    assert ("evaluate all shards" in verdict.message or "more shards" in verdict.message) \
        == (outcome == gates.INCONCLUSIVE)


def test_an_inconclusive_verdict_says_how_many_shards_would_settle_it() -> None:
    spread = np.linspace(-0.01, 0.01, 1001)
    # The interval reaches 0.0095 beyond the value, the limit is 0.005 away: (0.0095 / 0.005)^2 = 3.6 times the images.
    samples = gates.Samples(np.full(1001, 0.7), 0.685 + spread, images=40, shards=2, others=8)

    verdict = gates.judge_one("mAP_drop", 0.02, _metrics(0.7), _metrics(0.685), samples)

    assert "6 more shards would probably settle it" in verdict.message


def test_every_gate_of_the_cards_has_a_rule() -> None:
    assert [gates.judge_one(gate, 0.5, _metrics(0.5), _metrics(0.5)).gate for gate in card.GATES] == list(card.GATES)


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

    request, cache = options.resolve(values, _no_demo)

    assert request.card.name == options.REAL_CARD
    assert request.card.calibration_images == 7
    assert request.data.pattern == "coco_val.record-*-of-00010"
    assert cache.root == tmp_path


def test_missing_data_paths_are_named_as_options() -> None:
    with pytest.raises(ConfigurationError, match="give --model-checkpoint, --annotation-json-file"):
        options.resolve({"model": options.REAL_CARD, "dataset_dir": Path("d")}, _no_demo)


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
