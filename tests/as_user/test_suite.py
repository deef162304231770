"""The gate suite as its user runs it: options, baselines, reports, exit status."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

import numpy as np
import pytest
import yaml

from quant_accuracy.judging import baseline, jitter
from quant_accuracy.quantization import snapshot
from quant_accuracy.reporting.document import history
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import OF_BASELINE
from tests.support import suite
from tests.support.lanes import TENSORFLOW_1
from tests.support.places import ROOT

_DEMO = "ssd_mobilenet_v2_demo-w8a8"


@pytest.fixture(scope="module")
def green(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> suite.Finished:
    """A run on the whole demo, with reports."""
    folder = tmp_path_factory.mktemp("green")
    return suite.run(folder, "--report", "html,json,md", "--output-dir", str(folder), "--history",
                     str(folder / "history.jsonl"))


def _gates_of_the_baseline() -> List[str]:
    return sorted(f"test_gate[{_DEMO}-{gate}]" for gate in OF_BASELINE)


def test_the_suite_is_green_on_the_demo(green: suite.Finished) -> None:
    assert green.status == 0, green.said
    assert set(green.outcomes.values()) == {suite.PASSED}


def test_every_enabled_quantizer_has_tests_of_its_own_named_after_its_tensor(green: suite.Finished) -> None:
    quantizers = json.loads((ROOT / "baselines" / options.DEMO_CARD / "quantizers.json").read_text())
    enabled = [item["tensor"] for item in quantizers if item["enabled"]]

    assert len(enabled) == 163
    for name in ("test_bitwidth_and_symmetry", "test_encoding_is_usable"):
        assert {f"{name}[{_DEMO}-{tensor}]" for tensor in [*enabled, "others"]} <= set(green.outcomes)


def test_numbers_travel_with_the_test_and_stand_in_the_closing_table(green: suite.Finished) -> None:
    numbers = green.numbers[f"test_gate[{_DEMO}-mAP_drop]"]

    assert numbers["verdict"] == "pass"
    assert float(numbers["upper"]) == 0.02
    line = next(line for line in green.said.splitlines() if line.startswith("mAP_drop "))
    assert line.split() == ["mAP_drop", "–", f"{float(numbers['value']):.4f}", "<=", "0.02", "–",
                            f"±{float(numbers['jitter']):.4f}", "pass"]
    assert [line for line in green.said.splitlines() if line.startswith("encodings_drift ")]


def test_reports_say_what_the_tests_say(green: suite.Finished) -> None:
    written = [Path(line.split("wrote ")[1]) for line in green.said.splitlines() if line.startswith("wrote ")]

    assert sorted(path.name for path in written) == ["float.json", "quantized.json", "report.html", "report.json",
                                                     "report.md", "snapshot.json"]
    document = json.loads(next(path for path in written if path.name == "report.json").read_text())
    numbers = green.numbers[f"test_gate[{_DEMO}-mAP_drop]"]
    assert document["mAP_drop"] == float(numbers["value"])
    for path in written:
        assert path.stem != "report" or "mAP_baseline" in path.read_text()


def test_pictures_are_drawn_beside_the_reports_that_name_them(green: suite.Finished) -> None:
    path = next(Path(line.split("wrote ")[1]) for line in green.said.splitlines() if line.endswith("report.json"))
    document = json.loads(path.read_text())

    assert len(document["changed_images"]) == 12
    for image in document["changed_images"]:
        assert (path.parent / image["picture"]).read_bytes()[:3] == b"\xff\xd8\xff"
    assert [entry["time"] for entry in document["history"]] == [document["run"]["ended"]]


def test_pictures_that_cannot_be_written_are_one_line_and_no_green_run(demo: DataPaths, tmp_path: Path) -> None:
    (tmp_path / "images").write_text("not a folder")

    done = suite.run(tmp_path, "-k", "test_gate", "--shards", "2", "--report", "json", "--output-dir", str(tmp_path))

    assert done.status == 2, done.said
    assert not {suite.FAILED, suite.ERROR} & set(done.outcomes.values())
    assert f"no report of {options.DEMO_CARD} was written: {tmp_path}/images/" in done.said
    assert "--output-dir" in done.said
    assert not (tmp_path / "report.json").exists()


def test_a_run_adds_a_line_to_its_history(green: suite.Finished) -> None:
    said = next(line for line in green.said.splitlines() if "added a line to" in line)

    (line,) = history.read(Path(said.split("added a line to ")[1]))
    assert line.drop == float(green.numbers[f"test_gate[{_DEMO}-mAP_drop]"]["value"])
    assert line.outcomes == {"pass": 20}


def test_the_committed_figures_are_those_of_today_but_for_the_jitter_of_another_machine(green: suite.Finished) -> None:
    report = next(line.split("wrote ")[1] for line in green.said.splitlines() if line.endswith("report.json"))
    found = json.loads(Path(report).read_text())
    committed = baseline.read(ROOT / "baselines" / options.DEMO_CARD)
    assert committed is not None
    assert committed.jitter is not None

    if TENSORFLOW_1:
        assert found["provenance"] == committed.provenance
    else:
        assert baseline.changed(committed.provenance, found["provenance"]) == ["versions.numpy", "versions.tensorflow"]
    for variant, figure in (("float", jitter.FLOAT_MAP), ("quantized", jitter.QUANTIZED_MAP)):
        values = committed.jitter.figures[figure]
        assert committed.metrics[variant].figures["mAP"] == values[jitter.SCALES.index(1.0)]
        assert found["metrics"][variant]["figures"]["mAP"] == pytest.approx(jitter.centre(values),
                                                                           abs=jitter.tolerance(values))


def test_a_run_without_xdist_says_the_same(green: suite.Finished, tmp_path: Path) -> None:
    without = suite.run(tmp_path, "-p", "no:xdist")

    assert without.status == 0, without.said
    assert without.numbers == green.numbers


def test_collecting_does_not_import_tensorflow() -> None:
    code = ("import sys, pytest; status = pytest.main(['--collect-only', '-q']); "
            "assert status == 0; assert 'tensorflow' not in sys.modules")

    done = subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)

    assert done.returncode == 0, done.stdout


def test_help_has_every_option_under_a_heading_of_ours() -> None:
    said = subprocess.run([sys.executable, "-m", "pytest", "--help"], cwd=str(ROOT), stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    ours = "\n".join(group for group in said.split("\n\n") if group.startswith("quant accuracy"))

    assert [option.flag for option in options.SUITE_OPTIONS
            if f"  {option.flag}" not in ours and option.flag != "--strict"] == []


@pytest.mark.parametrize(("arguments", "variables"), [
    (("-o", "quant_accuracy_shards=2"), {}),
    (("-o", "quant_accuracy_shards=0-9", "--shards", "2"), {"QUANT_ACCURACY_SHARDS": "3"}),
    (("-o", "quant_accuracy_shards=0-9"), {"QUANT_ACCURACY_SHARDS": "2"}),
], ids=["ini", "typed before all", "environment before ini"])
def test_options_may_be_typed_or_set(demo: DataPaths, tmp_path: Path, arguments: Tuple[str, ...],
                                     variables: Dict[str, str]) -> None:
    done = suite.run(tmp_path, "-k", "test_gate", "--report", "json", "--output-dir", str(tmp_path), *arguments,
                     **variables)

    assert done.status == 0, done.said
    assert json.loads((tmp_path / "report.json").read_text())["shards"] == "2"


@pytest.mark.parametrize(("arguments", "variables", "message"), [
    (("--report", "pdf"), {}, "'pdf' is not a report format"),
    ((), {"QUANT_ACCURACY_THREADS": "many"}, "environment variable QUANT_ACCURACY_THREADS: 'many' is not a whole"),
    (("-o", "quant_accuracy_strict=perhaps"), {}, "pytest.ini, quant_accuracy_strict: 'perhaps' is neither yes nor no"),
    (("--update-baselines",), {"CI": "true"}, "--update-baselines is refused: CI is set"),
    (("--update-baselines", "-n", "2"), {}, "--update-baselines is refused: it works in one process only"),
    (("--update-baselines", "--shards", "0"), {}, "whole data set as the model card says: leave --shards out"),
    (("--update-baselines", "--default-param-bw", "4"), {}, "leave --default-param-bw out"),
])
def test_what_cannot_be_done_is_refused_before_anything_runs(tmp_path: Path, arguments: Tuple[str, ...],
                                                             variables: Dict[str, str], message: str) -> None:
    done = suite.run(tmp_path, *arguments, **variables)

    assert done.status == 4, done.said
    assert message in done.said
    assert not done.outcomes


@pytest.mark.parametrize(("arguments", "message"), [
    (("--model", "mine"), "no such model card"),
    (("--model", options.DEMO_CARD, "--model", options.DEMO_CARD), "two cards are named ssd_mobilenet_v2_demo"),
])
def test_cards_that_cannot_be_used_are_no_wrong_usage_but_what_could_not_be_measured(
        tmp_path: Path, arguments: Tuple[str, ...], message: str) -> None:
    done = suite.run(tmp_path, *arguments)

    assert done.status == 2, done.said
    assert message in done.said
    assert not done.outcomes


def test_two_models_are_judged_in_one_run_and_one_without_data_says_what_to_set(demo: DataPaths,
                                                                                tmp_path: Path) -> None:
    done = suite.run(tmp_path, "--model", options.DEMO_CARD, "--model", options.REAL_CARD)

    of_demo = {outcome for name, outcome in done.outcomes.items() if options.DEMO_CARD in name}
    of_real = {name: outcome for name, outcome in done.outcomes.items() if options.REAL_CARD in name}
    assert of_demo == {suite.PASSED}
    (first,) = [name for name, outcome in of_real.items() if outcome == suite.ERROR]
    assert set(of_real.values()) == {suite.ERROR, suite.NOT_RUN}
    assert "ssd_mobilenet_v2_coco: set --model-checkpoint, --dataset-dir, --annotation-json-file, or" \
        in done.messages[first]
    assert "plugin/" not in done.messages[first], "the message is more than one line"
    assert done.status == 2


def test_what_cannot_be_measured_is_one_line_of_one_test_and_exit_status_2(demo: DataPaths, tmp_path: Path) -> None:
    shards = sorted(demo.dataset_dir.glob(demo.pattern))
    for shard in shards[:-1]:
        (tmp_path / shard.name).symlink_to(shard)
    content = bytearray(shards[-1].read_bytes())
    content[-100] ^= 0xFF
    (tmp_path / shards[-1].name).write_bytes(bytes(content))

    done = suite.run(tmp_path, "--model", options.DEMO_CARD, "--dataset-dir", str(tmp_path))

    assert done.status == 2, done.said
    first, *others = (name for name in done.outcomes if name.startswith(("test_gate", "test_every_image")))
    assert done.outcomes[first] == suite.ERROR
    assert "record-00009-of-00010: record 19 is damaged" in done.messages[first]
    assert {done.outcomes[name] for name in others} == {suite.NOT_RUN}
    assert done.outcomes[f"test_weights_are_quantized[{_DEMO}]"] == suite.PASSED


def _baselines(folder: Path) -> Path:
    shutil.copytree(str(ROOT / "baselines"), str(folder / "baselines"))
    return folder / "baselines"


def _shards_that_calibrate(folder: Path) -> List[str]:
    """Arguments for the demo on three of its shards as if there were no others: less to measure the jitter of.

    Limits are for all of its images, and are left out.
    """
    document = yaml.safe_load((SHIPPED / f"{options.DEMO_CARD}.yaml").read_text())
    document["gates"] = {name: limit for name, limit in document["gates"].items()
                         if name.endswith(("_baseline", "_drift"))}
    document["data"]["part_of_annotations"] = True
    (folder / "card.yaml").write_text(yaml.safe_dump(document))
    return ["--model", str(folder / "card.yaml"), "--TFRecord-file-pattern", "demo_val.record-0000[0-2]-of-00010"]


class _Renewed(NamedTuple):
    """Runs without a baseline, with `--update-baselines`, and after that; what was written where; what was typed."""

    missing: suite.Finished
    written: suite.Finished
    after: suite.Finished
    folder: Path
    typed: str


@pytest.fixture(scope="module")
def renewed(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> _Renewed:
    folder = tmp_path_factory.mktemp("renewed")
    arguments = ["--baseline-dir", str(folder / "new"), *_shards_that_calibrate(folder)]
    return _Renewed(suite.run(folder, *arguments), suite.run(folder, *arguments, "--update-baselines"),
                    suite.run(folder, *arguments), folder / "new" / options.DEMO_CARD,
                    f"--model={folder / 'card.yaml'} --TFRecord-file-pattern 'demo_val.record-0000[0-2]-of-00010' "
                    f"--baseline-dir={folder / 'new'}")


def test_new_baselines_are_written_but_the_run_fails_and_the_next_is_green(renewed: _Renewed) -> None:
    missing, written, after = renewed[:3]

    compared = [f"test_encodings_are_those_of_the_snapshot[{_DEMO}]", *_gates_of_the_baseline(),
                f"test_quantizers_are_those_of_the_snapshot[{_DEMO}]"]
    assert missing.red() == written.red() == compared
    assert missing.status == written.status == 1
    for name in compared:
        assert f"`python -m pytest {renewed.typed} --update-baselines`, review it" in missing.messages[name]
        assert "review what changed, commit it, and run again" in written.messages[name]
    assert after.status == 0, after.said
    assert "jitter: 9 evaluations of both variants, 60 images each" in written.said
    assert "jitter:" not in missing.said + after.said


def test_a_card_without_baseline_gates_gets_a_baseline_without_the_cost_of_jitter(demo: DataPaths,
                                                                                  tmp_path: Path) -> None:
    arguments = ["--baseline-dir", str(tmp_path / "new"), *_shards_that_calibrate(tmp_path), "-k", "snapshot"]
    document = yaml.safe_load((tmp_path / "card.yaml").read_text())
    (tmp_path / "card.yaml").write_text(yaml.safe_dump({**document, "gates": {}}))

    written = suite.run(tmp_path, *arguments, "--update-baselines")
    after = suite.run(tmp_path, *arguments)

    assert (written.status, after.status) == (1, 0), written.said + after.said
    assert "jitter:" not in written.said
    found = baseline.read(tmp_path / "new" / options.DEMO_CARD)
    assert found is not None
    assert found.jitter is None


def test_the_committed_snapshot_and_shards_are_those_of_today_but_for_the_jitter_of_another_machine(
        renewed: _Renewed) -> None:
    committed = ROOT / "baselines" / options.DEMO_CARD
    placed = [baseline.read_quantizers(folder) for folder in (committed, renewed.folder)]
    measured, known = baseline.read(renewed.folder), baseline.read(committed)
    assert placed[0] is not None
    assert placed[1] is not None
    assert measured is not None
    assert measured.jitter is not None
    assert known is not None
    assert known.jitter is not None

    assert snapshot.differences(placed[0], placed[1]) == []
    # As far as float32 sums on two machines may differ in a range.
    assert max(drift.change for drift in snapshot.drifts(placed[0], placed[1])) < 1e-5
    for figure, shards in measured.jitter.shards.items():
        assert len(shards) == 3
        for name, values in shards.items():
            before = known.jitter.shards[figure][name]
            assert jitter.centre(values) == pytest.approx(jitter.centre(before), abs=jitter.tolerance(before))


def test_an_update_that_writes_nothing_fails_and_says_why(demo: DataPaths, tmp_path: Path) -> None:
    done = suite.run(tmp_path, "--baseline-dir", str(tmp_path / "new"), "--update-baselines", "-k", "batch_norms")

    assert done.status == 1
    assert "no baseline was written: none of the selected tests compares with one" in done.said
    assert not (tmp_path / "new").exists()


def test_a_damaged_baseline_is_one_line(demo: DataPaths, tmp_path: Path) -> None:
    folder = _baselines(tmp_path)
    (folder / options.DEMO_CARD / "figures.json").write_text("{")

    done = suite.run(tmp_path, "--baseline-dir", str(folder), "-k", "mAP_drop")

    assert done.status == 2
    assert f"{options.DEMO_CARD}/figures.json" in done.messages[f"test_gate[{_DEMO}-mAP_drop]"]


def test_a_damaged_snapshot_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = _baselines(tmp_path)
    (folder / options.DEMO_CARD / "quantizers.json").write_text('[{"tensor": "a:0"}]')

    done = suite.run(tmp_path, "--baseline-dir", str(folder))

    assert done.status == 2
    assert done.said.count("quantizers.json: 0.kind is missing") == 1


def test_a_moved_quantizer_is_shown_with_the_rule_that_decided(demo: DataPaths, tmp_path: Path) -> None:
    folder = _baselines(tmp_path)
    path = folder / options.DEMO_CARD / "quantizers.json"
    path.write_text(path.read_text().replace('"tensor": "concat_1:0"', '"tensor": "concat_7:0"'))

    done = suite.run(tmp_path, "--baseline-dir", str(folder), "-k", "snapshot")

    said = done.messages[f"test_quantizers_are_those_of_the_snapshot[{_DEMO}]"]
    rule = "rule: defaults: op outputs are quantized"
    assert f"- concat_7:0: lost its quantizer, 8 bits asymmetric ({rule})" in said
    assert f"+ concat_1:0: gained a quantizer, 8 bits asymmetric ({rule})" in said
    assert done.red() == [f"test_quantizers_are_those_of_the_snapshot[{_DEMO}]"]


def test_a_baseline_of_other_annotations_is_not_compared_with_and_called_so(demo: DataPaths, tmp_path: Path) -> None:
    folder = _baselines(tmp_path)
    path = folder / options.DEMO_CARD / "figures.json"
    document = json.loads(path.read_text())
    document["provenance"]["data"]["annotations"] = "0" * 64
    path.write_text(json.dumps(document))

    done = suite.run(tmp_path, "--baseline-dir", str(folder), "-k", "test_gate")

    assert done.red() == _gates_of_the_baseline()
    for name in done.red():
        assert "the annotations have changed since the baseline was made" in done.messages[name]
        assert "other images" not in done.messages[name]


def test_an_unexplained_gain_is_as_red_as_a_loss_and_says_what_is_new(demo: DataPaths, tmp_path: Path) -> None:
    folder = _baselines(tmp_path)
    path = folder / options.DEMO_CARD / "figures.json"
    document = json.loads(path.read_text())
    values = document["jitter"]["figures"]["quantized mAP"]
    document["jitter"]["figures"]["quantized mAP"] = [value - 0.01 for value in values]
    document["provenance"]["versions"]["numpy"] = "1.16.0"
    path.write_text(json.dumps(document))

    done = suite.run(tmp_path, "--baseline-dir", str(folder), "-k", "test_gate")

    assert done.red() == [f"test_gate[{_DEMO}-mAP_baseline]"]
    said = done.messages[f"test_gate[{_DEMO}-mAP_baseline]"]
    assert "lies outside of" in said
    assert f"other than in the baseline: versions.numpy 1.16.0 -> {np.__version__}" in said


def test_two_shards_are_inconclusive_on_the_drop_and_strict_makes_that_red(demo: DataPaths, tmp_path: Path) -> None:
    lenient = suite.run(tmp_path, "--shards", "0,1", "-k", "test_gate")
    strict = suite.run(tmp_path, "--shards", "0,1", "-k", "test_gate", "--strict")
    name = f"test_gate[{_DEMO}-mAP_drop]"

    assert (lenient.status, lenient.outcomes[name]) == (0, suite.SKIPPED)
    drop = float(lenient.numbers[name]["value"])
    assert f"inconclusive: mAP drop {drop:.4f} may lie on either side of 0.02 (95 % interval" in lenient.messages[name]
    assert lenient.numbers[name]["verdict"] == "inconclusive"
    assert (strict.status, strict.outcomes[name]) == (1, suite.FAILED)


def test_shard_count_takes_the_first_shards(demo: DataPaths, tmp_path: Path) -> None:
    done = suite.run(tmp_path, "--shard-count", "2", "-k", "test_gate", "--report", "json", "--output-dir",
                     str(tmp_path))

    assert done.status == 0, done.said
    assert json.loads((tmp_path / "report.json").read_text())["shards"] == "0-1"


def test_without_a_cache_nothing_is_taken_from_it_and_nothing_is_left(demo_copy: DataPaths, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = suite.run(tmp_path, "--no-cache", "--model", options.DEMO_CARD, "--model-checkpoint",
                     str(demo_copy.checkpoint), "--dataset-dir", str(demo_copy.dataset_dir), "--TFRecord-file-pattern",
                     demo_copy.pattern, "--annotation-json-file", str(demo_copy.annotations), "--calibration-images",
                     "2", "--eval-num-examples", "4", "-n", "2", "-k", "test_gate", TMPDIR=str(scratch))

    assert "4 images were evaluated in this run" in done.said, done.said
    assert not list(scratch.glob("quant_accuracy.*"))


def test_options_whose_values_are_paths_that_exist_are_no_paths_of_tests(tmp_path: Path) -> None:
    """Before it knows an option, pytest takes its value for a path, and looks for pytest.ini and conftest.py there."""
    done = subprocess.run([str(ROOT / "run"), "pytest", "--collect-only", "-q", "--output-dir", str(tmp_path)],
                          cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=suite.environment())

    assert done.returncode == 0, done.stdout
    assert "test_gate[ssd_mobilenet_v2_demo-w8a8-mAP_drop]" in done.stdout
