"""What the report's document holds, against pycocotools and against the files that lie beside it."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image
from pycocotools.cocoeval import COCOeval

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import VARIANTS
from quant_accuracy.commands import report
from quant_accuracy.data import annotations
from quant_accuracy.detection.merge import Merged
from quant_accuracy.pipeline import evaluation
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.reporting.document import contents, read_report
from quant_accuracy.scoring import bootstrap, matching
from quant_accuracy.scoring.coco import area_of
from quant_accuracy.scoring.metrics import FIGURES
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support import oracle


def _made(folder: Path, *arguments: str) -> Path:
    assert report.main(["--output-dir", str(folder), "--history", str(folder / "history.jsonl"), *arguments]) == 0
    return folder


def _read(folder: Path) -> Dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document: Dict[str, Any] = json.loads((folder / "report.json").read_text(), parse_constant=refuse)
    return document


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on the whole demo, the second one of its history."""
    folder = tmp_path_factory.mktemp("whole")
    _made(folder, "--shards", "4")
    return _made(folder)


@pytest.fixture(scope="module")
def document(whole: Path) -> Dict[str, Any]:
    return _read(whole)


@pytest.fixture(scope="module")
def coco(whole: Path, demo: DataPaths) -> Dict[str, COCOeval]:
    """What pycocotools makes of the detections that the report left, by variant."""
    return {variant: oracle.of_files(demo.annotations, whole / "detections" / f"{variant}.json")
            for variant in VARIANTS}


def test_the_document_has_the_fields_of_its_schema_version(document: Dict[str, Any]) -> None:
    assert document["schema_version"] == 7
    assert set(document) == {"schema_version", "model", "images", "shards", "annotations", "metrics", "mAP_drop",
                             "unknown_categories", "intervals", "verdicts", "notes", "errors", "curves", "quantizers",
                             "batch_norms_left", "changed_images", "why", "history", "provenance", "run", "device",
                             "device_depth", "repair", "snapshot", "confusion", "calibration",
                             "distributions"}
    assert document["device"] is None
    assert document["why"] is None


def test_curves_are_those_of_pycocotools(document: Dict[str, Any], coco: Dict[str, COCOeval],
                                         demo: DataPaths) -> None:
    curves, names = document["curves"], annotations.load(demo.annotations).categories

    assert curves["recall"] == [round(step / 100, 2) for step in range(101)]
    for variant in VARIANTS:
        # Threshold, recall, category.
        precision = coco[variant].eval["precision"][:, :, :, 0, -1]
        for label, wanted in (("0.50", precision[0]), ("0.75", precision[5]), ("0.50:0.95", precision.mean(axis=0))):
            np.testing.assert_allclose(curves["mean"][variant][label], wanted.mean(axis=1), atol=0.5001e-4)
        for place, category in enumerate(coco[variant].params.catIds):
            np.testing.assert_allclose(curves["classes"][names[category]][variant], precision[0, :, place],
                                       atol=0.5001e-4)
    assert set(curves["classes"]) == set(names.values())


def test_every_figure_lies_in_its_interval_and_so_does_its_drop(document: Dict[str, Any]) -> None:
    intervals, metrics = document["intervals"], document["metrics"]

    assert intervals["resamples"] == bootstrap.RESAMPLES
    for name in FIGURES:
        values = {variant: metrics[variant]["figures"][name] for variant in VARIANTS}
        for variant in VARIANTS:
            assert intervals[variant][name][0] < values[variant] < intervals[variant][name][1]
        assert intervals["drop"][name][0] <= values["float"] - values["quantized"] <= intervals["drop"][name][1]
    assert set(intervals["class_drop"]) == set(metrics["float"]["per_class"])


def test_intervals_follow_from_the_detections_beside_the_report(document: Dict[str, Any], whole: Path,
                                                                demo: DataPaths) -> None:
    truth = annotations.load(demo.annotations)
    ids = np.array(sorted(truth.images))
    matches = [matching.match(Merged(ids, read_report.read_detections(whole / "detections" / f"{variant}.json")), truth)
               for variant in VARIANTS]
    samples = [bootstrap.class_figures(side, bootstrap.draw(200)) for side in matches]
    values = [bootstrap.class_figures(side, np.ones([1, 200], np.int32)) for side in matches]

    compared = []
    for name in FIGURES:
        shown = matches[0].class_images(area_of(name))
        if (shown == 0).any():
            continue
        # The spread of a class in k images, as independent data have it.
        scale = np.sqrt(shown / (shown - 1))
        drops = values[0][name] - values[1][name]
        spread = drops + (samples[0][name] - samples[1][name] - drops) * scale
        if np.isnan(spread).any():
            # A class that some resample lacks is made up for, which `tests/scoring/test_partial.py` is about.
            continue
        compared.append(name)
        assert document["intervals"]["drop"][name] == pytest.approx(
            np.percentile(spread.mean(axis=1), [2.5, 97.5]), abs=1e-12)
    assert {"mAP", "AP50", "AR100"} <= set(compared)


def test_on_a_part_of_the_data_gates_and_document_have_the_same_intervals(tmp_path: Path) -> None:
    document = _read(_made(tmp_path, "--shards", "0,1"))
    judged = {verdict["gate"]: verdict["interval"] for verdict in document["verdicts"]}

    assert judged["mAP_drop"] == document["intervals"]["drop"]["mAP"]
    assert judged["mAP_floor"] == document["intervals"]["quantized"]["mAP"]
    assert judged["float_mAP_floor"] == document["intervals"]["float"]["mAP"]


def test_quantizers_are_those_of_the_snapshot_in_the_network_s_order(document: Dict[str, Any], whole: Path) -> None:
    assert document["quantizers"] == json.loads((whole / "snapshot.json").read_text())


def test_the_images_that_lost_most_are_drawn_and_their_aps_are_those_of_pycocotools(
        document: Dict[str, Any], whole: Path, coco: Dict[str, COCOeval], demo: DataPaths) -> None:
    changed = document["changed_images"]
    losses = [image["float"] - image["quantized"] for image in changed]
    names = {image["id"]: image["file_name"] for image in json.loads(demo.annotations.read_text())["images"]}

    assert len(changed) == 12
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] > 0
    assert {path.name for path in (whole / "images").iterdir()} >= {f"{image['image_id']}.jpg" for image in changed}
    for image in changed:
        picture = Image.open(str(whole / image["picture"]))
        assert (picture.format, image["file_name"]) == ("JPEG", names[image["image_id"]])
    for image in changed[:3]:
        for variant in VARIANTS:
            alone = COCOeval(coco[variant].cocoGt, coco[variant].cocoDt, "bbox")
            alone.params.imgIds = [image["image_id"]]
            with contextlib.redirect_stdout(io.StringIO()):
                alone.evaluate()
                alone.accumulate()
                alone.summarize()
            assert image[variant] == pytest.approx(alone.stats[0], abs=1e-12)


def test_a_run_says_how_it_was_asked_for_and_how_long_each_step_took(document: Dict[str, Any], whole: Path) -> None:
    run = document["run"]

    assert set(run) == {"command", "ended", "seconds", "images_per_second", "machine", "options", "retried"}
    assert set(run["seconds"]) == {"prepare", "detect", "score", "judge", "intervals", "errors", "confusion", "curves",
                                   "pictures", "distributions"}
    assert all(seconds >= 0 for seconds in run["seconds"].values())
    assert set(run["images_per_second"]) == {*VARIANTS, "device"}
    assert run["images_per_second"]["device"] is None
    assert set(run["machine"]) == {"system", "processor", "cores", "python"}
    assert run["options"]["shards"] is None
    assert run["retried"] == []


def test_options_that_change_the_card_stand_in_the_run_of_it(tmp_path: Path) -> None:
    report.main(["--output-dir", str(tmp_path), "--shards", "2", "--eval-num-examples", "3", "--default-param-bw",
                 "4", "--threads", "1"])

    asked = _read(tmp_path)["run"]["options"]
    assert {name: asked[name] for name in ("shards", "eval_num_examples", "default_param_bw", "threads")} \
        == {"shards": "2", "eval_num_examples": 3, "default_param_bw": "4", "threads": 1}
    assert "quant_scheme" not in asked


def test_the_history_in_a_report_ends_with_the_run_itself(document: Dict[str, Any]) -> None:
    first, second = document["history"]

    assert [entry["shards"] for entry in (first, second)] == ["4", "0-9"]
    assert "data.shards.demo_val.record-00004-of-00010" not in second["changed"]
    assert "data.shards.demo_val.record-00000-of-00010" in second["changed"]
    assert (second["time"], second["drop"]) == (document["run"]["ended"], document["mAP_drop"])


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def evaluated(demo_copy: DataPaths, demo_card: ModelCard, own_cache: Cache) -> Tuple[Evaluation, Path]:
    """An evaluation of a shard, to be damaged."""
    found = evaluation.evaluate(Request(replace(demo_card, calibration_images=4), demo_copy, 1, "0"), own_cache)
    return found, found.shards[0].path


def test_a_shard_that_changes_before_its_images_are_drawn_is_one_clear_error(evaluated: Tuple[Evaluation, Path],
                                                                             tmp_path: Path) -> None:
    found, shard = evaluated
    content = bytearray(shard.read_bytes())
    content[400::997] = b"\x00" * len(content[400::997])
    shard.write_bytes(bytes(content))

    with pytest.raises(DataError, match=f"{shard.name}: record [0-9]+ is damaged"):
        contents.as_document(found, tmp_path)


def test_an_image_that_cannot_be_decoded_any_more_is_one_clear_error(evaluated: Tuple[Evaluation, Path],
                                                                     tmp_path: Path) -> None:
    found, shard = evaluated
    kept = list(tf.io.tf_record_iterator(str(shard)))
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in kept:
            example = tf.train.Example.FromString(record)
            encoded = example.features.feature["image/encoded"].bytes_list.value
            encoded[0] = encoded[0][:len(encoded[0]) // 2]
            writer.write(example.SerializeToString())

    with pytest.raises(DataError, match=rf"{shard.name}: record [0-9]+ \(image [0-9]+\) is not a readable image"):
        contents.as_document(found, tmp_path)


def test_the_essentials_are_the_same_as_in_the_document_and_draw_nothing(evaluated: Tuple[Evaluation, Path],
                                                                         tmp_path: Path) -> None:
    found, _ = evaluated
    short, full = contents.essentials(found), contents.as_document(found, tmp_path / "report")

    assert {**short, "run": None} == {**{name: full[name] for name in short}, "run": None}
    assert short["annotations"] == str(found.request.data.annotations)
