"""The report as its user runs it: figures, files, interruptions, damaged input, exit status."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT
from quant_accuracy.commands import create_coco_tfrecords, export_checkpoint, report
from quant_accuracy.demo import ready
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantization
from quant_accuracy.reporting.document import history
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from tests.support import report_documents, suite
from tests.support.lanes import needs_object_detection
from tests.support.places import ROOT

_SELECTION = "0-3"


def _arguments(data: DataPaths, cache: Path, output: Path, *more: str) -> List[str]:
    return ["--model", options.DEMO_CARD, "--model-checkpoint", str(data.checkpoint),
            "--dataset-dir", str(data.dataset_dir), "--TFRecord-file-pattern", data.pattern,
            "--annotation-json-file", str(data.annotations), "--cache-dir", str(cache), "--output-dir", str(output),
            *more]


def _start(arguments: List[str]) -> "subprocess.Popen[str]":
    # A job in the background is deaf to Ctrl-C, and so would be its children.
    return subprocess.Popen([sys.executable, str(ROOT / "tools" / "report.py"), *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def _read(output: Path) -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads((output / "report.json").read_text())
    return document


def _without_run(output: Path) -> str:
    """What two runs of the same thing have in common: the report without `run`, and the history that was asked for."""
    document = _read(output)
    del document["run"], document["history"]
    return json.dumps(document, sort_keys=True)


@pytest.fixture(scope="module")
def full_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a report on the whole demo."""
    output = tmp_path_factory.mktemp("full")
    assert report.main(["--output-dir", str(output), "--quantsim-output-dir", str(output / "quantsim"), "--history",
                        str(output / "history.jsonl")]) == 0
    return output


def test_a_report_leaves_pages_its_quantizers_and_a_line_in_the_history(full_report: Path) -> None:
    assert {path.name for path in full_report.iterdir()} == {"report.html", "report.json", "report.md", "snapshot.json",
                                                             "detections", "images", "quantsim", "history.jsonl"}
    (line,) = history.read(full_report / "history.jsonl")
    document = _read(full_report)
    assert report_documents.schema_errors(document) == []
    assert line.drop == document["mAP_drop"]
    assert line.time == document["run"]["ended"]
    assert [entry["time"] for entry in document["history"]] == [line.time]


@pytest.fixture(scope="module")
def reference(full_report: Path, demo: DataPaths, cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a report on a few shards that nothing interrupted."""
    output = tmp_path_factory.mktemp("reference")
    assert report.main(_arguments(demo, cache.root, output, "--shards", _SELECTION)) in (0, 1)
    return output


def test_float_map_equals_an_independent_evaluation(reference: Path, demo: DataPaths) -> None:
    script = ROOT / "tests" / "support" / "independent_evaluation.py"
    arguments = [str(demo.checkpoint), str(demo.dataset_dir), demo.pattern.replace("*", f"0000[{_SELECTION}]"),
                 str(demo.annotations)]

    output = subprocess.run([sys.executable, str(script), *arguments], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout

    independent = json.loads(output.splitlines()[-1])
    floats = _read(reference)["metrics"]["float"]
    assert floats["images"] == independent["images"]
    assert floats["figures"]["mAP"] == pytest.approx(independent["mAP"], abs=1e-6)


def test_the_demo_is_not_saturated(full_report: Path) -> None:
    assert 0.5 < _read(full_report)["metrics"]["float"]["figures"]["mAP"] < 0.9


def test_a_second_report_takes_everything_from_the_cache(full_report: Path, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture) -> None:
    assert report.main(["--output-dir", str(tmp_path)]) == 0

    table = capsys.readouterr().out
    assert table.count("cached") == 2
    assert str(tmp_path / "report.json") in table
    assert _without_run(tmp_path) == _without_run(full_report)
    for picture in (full_report / "images").iterdir():
        assert (tmp_path / "images" / picture.name).read_bytes() == picture.read_bytes()


def test_a_report_leaves_detections_in_cocos_results_format(full_report: Path) -> None:
    results = json.loads((full_report / "detections" / "quantized.json").read_text())

    assert sorted(results[0]) == ["bbox", "category_id", "image_id", "score"]
    assert len({result["image_id"] for result in results}) == 200


def test_the_simulation_is_exported_on_request(full_report: Path, demo_artifacts: Artifacts) -> None:
    folder = full_report / "quantsim"

    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint", "model.data-00000-of-00001", "model.encodings", "model.encodings.yaml", "model.index",
        "model.meta", "quantizers.json", "quantsim.pb"]
    assert encodings_file.read(folder / "model.encodings").all() == demo_artifacts.encodings


def test_the_exported_checkpoint_is_the_folded_network_with_float_weights(
        full_report: Path, demo_artifacts: Artifacts, run_graph: Callable[..., Sequence[np.ndarray]]) -> None:
    prefix = full_report / "quantsim" / "model"
    images = np.random.RandomState(0).randint(0, 256, size=(1, 300, 300, 3)).astype(np.uint8)
    outputs = ["concat:0", "concat_1:0"]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        saver = tf.train.import_meta_graph(f"{prefix}.meta")
        saver.restore(session, str(prefix))
        assert tf.train.latest_checkpoint(str(prefix.parent)) == str(prefix)
        found = session.run(outputs, {"image_tensor:0": images})

    wanted = run_graph(demo_artifacts.graph(FLOAT), outputs, {"image_tensor:0": images})
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_loaded_encodings_give_the_very_detections_that_they_were_exported_from(
        full_report: Path, demo: DataPaths, tmp_path: Path) -> None:
    encodings = full_report / "quantsim" / "model.encodings"

    cache = suite.cache_without_detections(tmp_path / "cache")
    arguments = _arguments(demo, cache, tmp_path / "output", "--shards", "0", "--load-encodings", str(encodings))

    assert report.main(arguments) in (0, 1)
    loaded = json.loads((tmp_path / "output" / "detections" / "quantized.json").read_text())
    ids = {record["image_id"] for record in loaded}
    full = json.loads((full_report / "detections" / "quantized.json").read_text())
    assert loaded == [record for record in full if record["image_id"] in ids]


def test_two_shards_do_not_settle_the_drop_and_only_strict_makes_that_red(demo: DataPaths, cache: Cache,
                                                                         tmp_path: Path) -> None:
    arguments = _arguments(demo, cache.root, tmp_path, "--shards", "0,1")

    assert report.main(arguments) == 0
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in _read(tmp_path)["verdicts"]}
    assert outcomes["mAP_drop"] == "inconclusive"
    assert report.main([*arguments, "--strict"]) == 1


def test_loaded_param_encodings_stay_and_activations_are_calibrated(demo_artifacts: Artifacts, demo: DataPaths,
                                                                    cache: Cache, tmp_path: Path) -> None:
    wide = {q.tensor: tuple(replace(e, minimum=4 * e.minimum, maximum=4 * e.maximum, scale=4 * e.scale)
                            for e in demo_artifacts.encodings[q.tensor]) if q.kind == PARAM
            else demo_artifacts.encodings[q.tensor] for q in demo_artifacts.quantizers if q.enabled}
    encodings_file.write(tmp_path / "wide.encodings", Quantization(demo_artifacts.quantizers, wide))

    report.main(_arguments(demo, cache.root, tmp_path, "--shards", "0", "--load-param-encodings",
                           str(tmp_path / "wide.encodings"), "--quantsim-output-dir", str(tmp_path / "quantsim")))

    found = encodings_file.read(tmp_path / "quantsim" / "model.encodings").by_kind
    assert found[PARAM] == {tensor: wide[tensor] for tensor in found[PARAM]}
    assert found[ACTIVATION] != {tensor: wide[tensor] for tensor in found[ACTIVATION]}


@pytest.mark.parametrize(("more", "low", "high"), [
    (["--default-param-bw", "4"], 0.05, 0.5),
    (["--default-output-bw", "16"], -0.01, 0.01),
    (["--quant-scheme", "tf_enhanced"], -0.02, 0.02),
], ids=["w4", "a16", "tf_enhanced"])
def test_bits_and_scheme_change_the_drop_as_one_expects(demo: DataPaths, cache: Cache, tmp_path: Path, more: List[str],
                                                        low: float, high: float) -> None:
    report.main(_arguments(demo, cache.root, tmp_path, "--shards", _SELECTION, *more))

    assert low < _read(tmp_path)["mAP_drop"] < high


@pytest.mark.parametrize("kill", [
    pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGKILL, id="kill -9", marks=pytest.mark.soak)])
def test_an_interrupted_report_goes_on_and_ends_with_the_same_figures(
        demo: DataPaths, demo_artifacts: Artifacts, reference: Path, tmp_path: Path, kill: signal.Signals) -> None:
    cache, output = tmp_path / "cache", tmp_path / "output"
    for folder in (demo_artifacts.float_folder, demo_artifacts.quantsim_folder):
        shutil.copytree(str(folder), str(cache / folder.parent.name / folder.name))
    arguments = _arguments(demo, cache, output, "--shards", _SELECTION)

    first = _start(arguments)
    while first.poll() is None and not list(cache.glob("detections/quantized/*.npz")):
        time.sleep(0.005)
    os.kill(first.pid, kill)
    said = first.communicate(timeout=60)[1]
    finished = sorted(cache.glob("detections/*/*.npz"))
    made = {path: path.stat().st_mtime_ns for path in finished}
    second = _start(arguments)
    quiet = second.communicate(timeout=300)[1]

    assert finished
    assert len(finished) < 8, "the report was over before it could be interrupted"
    assert first.returncode == (130 if kill == signal.SIGINT else -signal.SIGKILL)
    stopped = "interrupted, [1-3] of 4 shards finished; finished shards are kept"
    assert kill == signal.SIGKILL or re.search(stopped, said)
    assert second.returncode in (0, 1)
    assert "of 4 shards were finished before" in quiet
    assert not re.search("error|warning|Traceback", quiet)
    assert _without_run(output) == _without_run(reference)
    assert {path: path.stat().st_mtime_ns for path in finished} == made


def test_damaged_detections_are_made_again_with_a_warning(demo: DataPaths, demo_artifacts: Artifacts, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture) -> None:
    cache = tmp_path / "cache"
    for folder in (demo_artifacts.float_folder, demo_artifacts.quantsim_folder):
        shutil.copytree(str(folder), str(cache / folder.parent.name / folder.name))
    arguments = _arguments(demo, cache, tmp_path / "output", "--shards", "0")
    assert report.main(arguments) in (0, 1)
    before = _without_run(tmp_path / "output")
    damaged = next(cache.glob("detections/float/*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:200])

    assert report.main(arguments) in (0, 1)

    assert f"warning: {damaged}" in capsys.readouterr().err
    assert _without_run(tmp_path / "output") == before


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--model-checkpoint", "nowhere/model.ckpt", r"nowhere/model.ckpt.meta: no such file"),
    ("--dataset-dir", "nowhere", "nowhere: no such folder"),
    ("--TFRecord-file-pattern", "none-*", "no file matches"),
    ("--annotation-json-file", "nowhere.json", "nowhere.json: no such annotation file"),
    ("--shards", "4,11", "there is no shard 11"),
    ("--eval-num-examples", "201", "ask for 1 to 200"),
    ("--calibration-images", "300", "the data set holds 200"),
    ("--model", "mine", "no such model card"),
])
def test_what_cannot_be_measured_is_one_clear_error_and_status_2(demo: DataPaths, tmp_path: Path, option: str,
                                                                 value: str, message: str,
                                                                 capsys: pytest.CaptureFixture) -> None:
    status = report.main([*_arguments(demo, ROOT / ".cache", tmp_path), option, value])

    said = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert said[-1].startswith("error: ")
    assert message in said[-1]


def test_a_cache_that_cannot_be_written_is_a_clear_error(demo: DataPaths, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")

    status = report.main(_arguments(demo, tmp_path / "file", tmp_path / "output"))

    assert status == 2
    assert "--cache-dir" in capsys.readouterr().err


_CONFIG = ready.PIPELINE_CONFIG
_TRAINED = ready.CHECKPOINT


@needs_object_detection
def test_an_export_takes_moving_averages_and_is_the_same_bytes_in_every_process(demo: DataPaths,
                                                                                tmp_path: Path) -> None:
    reader = tf.train.NewCheckpointReader(str(_TRAINED))
    with tf.Graph().as_default(), tf.Session() as session:
        # What training with moving averages leaves: the name's own value is not the one to take.
        averaged = {name: tf.Variable(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}
        names = {f"{name}/ExponentialMovingAverage": variable for name, variable in averaged.items()}
        session.run(tf.global_variables_initializer())
        tf.train.Saver(names).save(session, str(tmp_path / "training"), write_meta_graph=False)
    arguments = ["--pipeline-config", str(_CONFIG), "--checkpoint", str(tmp_path / "training"), "--output",
                 str(tmp_path / "out")]

    said = subprocess.run([sys.executable, str(ROOT / "tools" / "export_checkpoint.py"), *arguments],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    assert f"{len(names)} of them from moving averages" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "checkpoint", "frozen_inference_graph.pb", "model.ckpt.data-00000-of-00001", "model.ckpt.index",
        "model.ckpt.meta"]
    first = tf.train.NewCheckpointReader(str(tmp_path / "out" / "model.ckpt"))
    for name in averaged:
        assert (first.get_tensor(name) == reader.get_tensor(name)).all()
    # The demo's own was exported by another process, from the same values under their own names.
    for path in checkpoint_parts.checkpoint_files(demo.checkpoint):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


@needs_object_detection
def test_an_export_with_the_configuration_of_another_model_says_so(tmp_path: Path,
                                                                   capsys: pytest.CaptureFixture) -> None:
    wide = tmp_path / "pipeline.config"
    wide.write_text(_CONFIG.read_text().replace("depth_multiplier: 0.35", "depth_multiplier: 1.0"))

    assert export_checkpoint.main(["--pipeline-config", str(wide), "--checkpoint", str(_TRAINED),
                                   "--output", str(tmp_path / "wide")]) == 2
    assert "use the configuration of this checkpoint" in capsys.readouterr().err


def test_the_data_tool_says_how_many_images_it_wrote(coco_folder: Any, capsys: pytest.CaptureFixture) -> None:
    folder = coco_folder()
    arguments = ["--image-dir", str(folder), "--annotations-file", str(folder / "instances.json"),
                 "--output-prefix", str(folder / "coco_val.record"), "--num-shards", "2"]

    assert create_coco_tfrecords.main(arguments) == 0
    assert "3 images and 3 boxes in 2 shards" in capsys.readouterr().out
    assert sorted(path.name for path in folder.glob("coco_val.record*")) == [
        "coco_val.record-00000-of-00002", "coco_val.record-00001-of-00002"]
