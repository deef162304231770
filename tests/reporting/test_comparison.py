"""Two runs side by side: real reports, compared as their user does, and files that something has damaged."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.base.words import VARIANTS
from quant_accuracy.commands import compare, report
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.detection.merge import Merged
from quant_accuracy.quantization import snapshot
from quant_accuracy.reporting import comparison
from quant_accuracy.reporting.comparison import Comparison
from quant_accuracy.reporting.document import read_report
from quant_accuracy.scoring import bootstrap, matching
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import FIGURES
from quant_accuracy.settings.card import DataPaths
from tests.support import oracle
from tests.support.places import ROOT

Change = Callable[[Dict[str, Any]], None]


@pytest.fixture(scope="module")
def make(demo: DataPaths, cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes the output folder of a report on the demo."""

    def run(*arguments: str) -> Path:
        output = tmp_path_factory.mktemp("run")
        assert report.main(["--cache-dir", str(cache.root), "--output-dir", str(output), *arguments]) in (0, 1)
        return output

    return run


@pytest.fixture(scope="module")
def w8(make: Callable[..., Path]) -> Path:
    return make("--shards", "0-3")


@pytest.fixture(scope="module")
def w4(make: Callable[..., Path]) -> Path:
    return make("--shards", "0-3", "--default-param-bw", "4")


@pytest.fixture(scope="module")
def found(w8: Path, w4: Path, demo: DataPaths) -> Comparison:
    return comparison.compare(w8, w4, demo.annotations)


@pytest.fixture
def copy(w8: Path, tmp_path: Path) -> Path:
    """A run to be damaged, with the snapshot of its quantizers removed if there is one."""
    shutil.copytree(str(w8), str(tmp_path / "copy"))
    for path in (tmp_path / "copy").glob(read_report.SNAPSHOT_FILE):
        path.unlink()
    return tmp_path / "copy"


def _edit(folder: Path, change: Change) -> Path:
    document = json.loads((folder / "report.json").read_text())
    change(document)
    (folder / "report.json").write_text(json.dumps(document))
    return folder


def _edit_detections(folder: Path, change: Callable[[List[Dict[str, Any]]], List[Dict[str, Any]]]) -> None:
    """Change the detections of both variants; the report counts them anew."""
    counts = {}
    for variant in VARIANTS:
        path = folder / "detections" / f"{variant}.json"
        records = change(json.loads(path.read_text()))
        path.write_text(json.dumps(records))
        counts[variant] = len(records)

    def count(document: Dict[str, Any]) -> None:
        for variant in VARIANTS:
            document["metrics"][variant]["detections"] = counts[variant]

    _edit(folder, count)


def _said(captured: str) -> str:
    """The one line of an error."""
    lines = captured.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_images_that_changed_have_the_aps_of_pycocotools_and_the_largest_change_comes_first(
        w8: Path, w4: Path, found: Comparison, demo: DataPaths) -> None:
    changed = found.paired.changed
    # Sums in another order are the same AP.
    sizes = [round(abs(change.after - change.before), 9) for change in changed]

    assert len(changed) > 20
    assert len({change.image_id for change in changed}) == len(changed)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 0
    for change in changed[:2]:
        for folder, wanted in ((w8, change.before), (w4, change.after)):
            assert oracle.of_image(demo.annotations, folder / "detections" / "quantized.json", change.image_id) \
                == pytest.approx(wanted, abs=1e-12)


def test_a_run_against_itself_changes_no_image(w8: Path) -> None:
    assert not comparison.compare(w8, w8).paired.changed


def test_figures_and_their_differences_are_those_of_both_reports(w8: Path, w4: Path, found: Comparison) -> None:
    before, after = (json.loads((folder / "report.json").read_text()) for folder in (w8, w4))

    for variant in VARIANTS:
        assert [change.name for change in found.figures[variant]] == list(FIGURES)
        for change in found.figures[variant]:
            old, new = (document["metrics"][variant]["figures"][change.name] for document in (before, after))
            assert (change.before, change.after, change.difference) == (old, new, new - old)
    assert [change.difference for change in found.headline] == [
        0.0, found.figures["quantized"][0].difference, after["mAP_drop"] - before["mAP_drop"]]
    assert -0.5 < (found.headline[1].difference or 0) < -0.05


def test_the_class_that_lost_most_comes_first(found: Comparison) -> None:
    differences = [change.difference for change in found.classes["quantized"] if change.difference is not None]

    assert len(differences) == 12
    assert differences == sorted(differences)
    assert [change.name for change in found.classes["float"]] == [change.name for change in found.classes["quantized"]]


def test_a_class_that_one_run_lacks_comes_last(w8: Path, copy: Path) -> None:
    def without_disc(document: Dict[str, Any]) -> None:
        del document["metrics"]["quantized"]["per_class"]["disc"]

    last = comparison.compare(w8, _edit(copy, without_disc)).classes["quantized"][-1]

    assert (last.name, last.after, last.difference) == ("disc", None, None)
    assert last.before is not None


def test_verdicts_and_provenance_that_changed_are_named(found: Comparison) -> None:
    changed = {change.gate: change for change in found.verdicts}

    for gate in ("mAP_drop", "mAP_ratio", "mAP_baseline", "bitwidths", "quantizers_of_snapshot"):
        before, after = changed[gate].before, changed[gate].after
        assert before is not None
        assert after is not None
        assert (before.outcome, after.outcome) == ("pass", "fail")
    assert not {"float_mAP_baseline", "biases", "images_once"} & set(changed)
    assert list(found.provenance) == ["quantization.param_bitwidth 8 -> 4"]


def test_a_gate_that_one_run_lacks_and_another_limit_are_changes(w8: Path, copy: Path) -> None:
    def other_gates(document: Dict[str, Any]) -> None:
        document["verdicts"][0]["gate"] = "new_gate"
        next(verdict for verdict in document["verdicts"] if verdict["gate"] == "mAP_drop")["upper"] = 0.5

    changes = comparison.compare(w8, _edit(copy, other_gates)).verdicts

    assert [change.gate for change in changes] == ["float_mAP_floor", "mAP_drop", "new_gate"]
    assert changes[0].after is None
    assert changes[2].before is None


def test_swapped_runs_give_opposite_signs(w8: Path, w4: Path, demo: DataPaths, found: Comparison) -> None:
    swapped = comparison.compare(w4, w8, demo.annotations)

    assert [change.difference for change in swapped.headline] == [-(c.difference or 0.0) for c in found.headline]
    for variant in VARIANTS:
        old = {change.name: change.difference for change in found.classes[variant]}
        assert {c.name: -(c.difference or 0.0) for c in swapped.classes[variant]} == old
    for name, interval in found.paired.intervals.items():
        assert swapped.paired.intervals[name] == pytest.approx((-interval.high, -interval.low), abs=1e-12)
    assert list(swapped.provenance) == ["quantization.param_bitwidth 4 -> 8"]


def test_a_run_against_itself_is_zero_everywhere(w4: Path, demo: DataPaths) -> None:
    same = comparison.compare(w4, w4 / "report.json", demo.annotations)

    every = [*same.headline, *(change for side in (same.figures, same.classes) for part in side.values()
                               for change in part)]
    assert {change.difference for change in every} == {0.0}
    assert same.paired.intervals == {name: Interval(0.0, 0.0) for name in ("float mAP", "quantized mAP", "mAP drop")}
    assert (list(same.verdicts), list(same.provenance)) == ([], [])


def test_intervals_hold_the_difference_and_only_that_of_the_quantized_leaves_zero(found: Comparison) -> None:
    intervals = found.paired.intervals

    assert found.paired.note == ""
    assert found.paired.images == 80
    assert intervals["float mAP"] == (0.0, 0.0)
    for change in found.headline:
        assert intervals[change.name].low <= (change.difference or 0.0) <= intervals[change.name].high
    assert intervals["quantized mAP"].high < -0.05
    assert intervals["mAP drop"] == pytest.approx([-intervals["quantized mAP"].high, -intervals["quantized mAP"].low])


def test_both_runs_are_scored_on_the_same_resamples(w8: Path, w4: Path, demo: DataPaths, found: Comparison) -> None:
    truth = annotation_files.load(demo.annotations)
    tables = [read_report.read_detections(folder / "detections" / "quantized.json") for folder in (w8, w4)]
    image_ids = np.unique(tables[0].images)
    weights = bootstrap.draw(80)
    matches = [matching.match(Merged(image_ids, table), truth) for table in tables]
    old, new = (bootstrap.class_aps(side, weights) for side in matches)
    once = np.ones([1, 80], np.int32)
    gain = bootstrap.class_aps(matches[1], once) - bootstrap.class_aps(matches[0], once)
    shown = matches[0].class_images()
    spread = gain + (new - old - gain) * np.sqrt(shown / (shown - 1))

    assert not np.isnan(spread).any()
    assert found.paired.intervals["quantized mAP"] == pytest.approx(
        np.percentile(spread.mean(axis=1), [2.5, 97.5]), abs=1e-12)


def test_images_that_nothing_names_are_left_out_and_that_is_said(copy: Path, demo: DataPaths) -> None:
    image = json.loads((copy / "detections" / "float.json").read_text())[0]["image_id"]
    _edit_detections(copy, lambda records: [record for record in records if record["image_id"] != image])

    paired = comparison.compare(copy, copy, demo.annotations).paired

    assert paired.images == 79
    assert "1 of 80 images have no detections in either run" in paired.note
    assert set(paired.intervals.values()) == {Interval(0.0, 0.0)}


def test_the_annotation_file_that_a_report_names_is_taken_while_it_is_the_same(copy: Path, w8: Path, demo: DataPaths,
                                                                               tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.json"
    shutil.copy(str(demo.annotations), str(recorded))
    _edit(copy, lambda document: document.update({read_report.ANNOTATIONS_KEY: str(recorded)}))

    assert comparison.compare(copy, copy).paired.intervals
    # Another layout says the same.
    document = json.loads(recorded.read_text())
    recorded.write_text(json.dumps(document, indent=2))
    assert comparison.compare(copy, copy).paired.intervals
    document["annotations"][0]["bbox"][0] += 1
    recorded.write_text(json.dumps(document))
    paired = comparison.compare(copy, copy).paired
    assert not paired.intervals
    assert "--annotation-json-file" in paired.note


def test_reports_name_their_annotation_file_so_that_nobody_has_to(w8: Path, w4: Path, demo: DataPaths,
                                                                  found: Comparison,
                                                                  capsys: pytest.CaptureFixture) -> None:
    assert read_report.read_run(w8).annotations == demo.annotations.resolve()
    assert comparison.compare(w8, w4).paired == found.paired
    capsys.readouterr()
    assert compare.main([str(w8), str(w4)]) == 0
    interval = found.paired.intervals["quantized mAP"]
    assert f"{interval.low:.4f} .. {interval.high:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "note"), [
    (lambda folder: shutil.rmtree(str(folder / "detections")), "detections/float.json is missing"),
    (lambda folder: _edit(folder, lambda document: document["provenance"]["data"].update(annotations="other")),
     "scored with different annotations"),
], ids=["no detections", "other annotations"])
def test_without_what_intervals_need_the_rest_is_compared(copy: Path, w8: Path, demo: DataPaths,
                                                          change: Callable[[Path], None], note: str) -> None:
    change(copy)

    result = comparison.compare(w8, copy, demo.annotations)

    assert note in result.paired.note
    assert not result.paired.intervals
    assert {change.difference for change in result.headline} == {0.0}


def test_quantizers_are_compared_where_both_runs_left_them(copy: Path, w8: Path, tmp_path: Path,
                                                           demo_artifacts: Artifacts) -> None:
    other = tmp_path / "other"
    shutil.copytree(str(copy), str(other))
    assert read_report.read_quantizers(copy) is None
    assert f"{copy / 'snapshot.json'}" in comparison.compare(copy, other).quantizers.missing
    placed = snapshot.take(demo_artifacts.quantization)
    on = [number for number, item in enumerate(placed) if item.enabled]
    moved = list(placed)
    moved[on[0]] = replace(placed[on[0]], bitwidth=4)
    moved[on[1]] = replace(placed[on[1]], ranges=tuple((low, 2 * high) for low, high in placed[on[1]].ranges))
    snapshot.write(copy / "snapshot.json", placed)
    snapshot.write(other / "snapshot.json", moved)

    changes = comparison.compare(copy, other).quantizers

    assert changes.missing == ""
    assert [line.split(":")[0] for line in changes.placement] == [f"~ {placed[on[0]].tensor.split(':')[0]}"]
    assert [drift.tensor for drift in changes.drifts] == [placed[on[1]].tensor]


def test_other_images_are_refused(w8: Path, make: Callable[..., Path], capsys: pytest.CaptureFixture) -> None:
    other = make("--shards", "1-4")
    capsys.readouterr()

    assert compare.main([str(w8), str(other)]) == 2

    said = _said(capsys.readouterr().err)
    assert said.startswith("error: the runs evaluated different images")
    assert "80 of shards 0-3" in said
    assert "80 of shards 1-4" in said
    assert "run both reports on the same shards" in said


def test_the_same_images_in_files_of_another_name_are_the_same(w8: Path, copy: Path) -> None:
    def rename(document: Dict[str, Any]) -> None:
        shards = document["provenance"]["data"]["shards"]
        document["provenance"]["data"]["shards"] = {f"other-{name}": digest for name, digest in shards.items()}

    assert {change.difference for change in comparison.compare(w8, _edit(copy, rename)).headline} == {0.0}


def test_a_report_of_the_version_before_repairs_is_still_compared(w8: Path, copy: Path) -> None:
    def age(document: Dict[str, Any]) -> None:
        document["schema_version"] = 6
        del document["repair"]

    assert {change.difference for change in comparison.compare(w8, _edit(copy, age)).headline} == {0.0}


def _garble(name: str, text: Optional[str]) -> Callable[[Path], object]:
    """Makes something that gives a file other content, or takes it away."""
    return lambda folder: (folder / name).unlink() if text is None else (folder / name).write_text(text)


@pytest.mark.parametrize(("damage", "message"), [
    (_garble("report.json", None), "report.json: no such file; name an output folder of "),
    (_garble("report.json", '{"model": "cut sho'), "report.json: cannot be read"),
    (_garble("report.json", "[" * 100_000), "report.json: cannot be read"),
    (_garble("report.json", "[]"), "report.json: is not a report; make it again with "),
    (lambda folder: _edit(folder, lambda document: document.update(schema_version=2)), "schema_version is 2, not 7"),
    (lambda folder: _edit(folder, lambda document: document.pop("model")), "model is missing"),
    (lambda folder: _edit(folder, lambda document: document["metrics"].pop("float")), "metrics.float"),
    (lambda folder: _edit(folder, lambda document: document["metrics"]["float"]["figures"].update(mAP="high")),
     "metrics.float.figures.mAP is 'high'; give a number"),
    (lambda folder: _edit(folder, lambda document: document.update(verdicts={"a": 1})), "verdicts is not a list"),
    (lambda folder: _edit(folder, lambda document: document["verdicts"][0].update(outcome="maybe")),
     "verdicts.0.outcome is 'maybe'"),
    (lambda folder: _edit(folder, lambda document: document.update(provenance=3)), "provenance is not a mapping"),
    (_garble("detections/float.json", "[{"), "float.json: cannot be read"),
    (_garble("detections/float.json", "{}"), "float.json: is not a list of COCO results"),
    (_garble("detections/float.json", '[{"image_id": 1}]'), "float.json: is not a list of COCO results"),
    (_garble("detections/float.json", '[{"image_id": 1, "bbox": [1, 2, 3], "score": 1, "category_id": 1}]'),
     "float.json: is not a list of COCO results"),
    (_garble("detections/float.json", '[{"image_id": 1, "bbox": [1, 2, 3, NaN], "score": 1, "category_id": 1}]'),
     "float.json: holds numbers that are not finite"),
    (_garble("detections/float.json", '[{"image_id": 1.5, "bbox": [1, 2, 3, 4], "score": 1, "category_id": 1}]'),
     "float.json: holds an id that is not a whole number"),
    (_garble("detections/float.json", "[]"), "float.json: holds 0 detections, but"),
    (_garble("snapshot.json", '[{"tensor": "a:0"}]'),
     "snapshot.json: 0.kind is missing; add it to the snapshot, or make it again with"),
    (_garble("snapshot.json", "nothing"), "snapshot.json: cannot be read"),
])
def test_damaged_files_are_one_clear_line_and_status_2(copy: Path, w8: Path, demo: DataPaths,
                                                       damage: Callable[[Path], object], message: str,
                                                       capsys: pytest.CaptureFixture) -> None:
    damage(copy)
    capsys.readouterr()

    assert compare.main([str(w8), str(copy), "--annotation-json-file", str(demo.annotations)]) == 2

    said = _said(capsys.readouterr().err)
    assert said.startswith("error: ")
    assert message in said
    assert "; " in said


def test_detections_of_another_run_are_noticed(copy: Path, w8: Path, w4: Path, demo: DataPaths) -> None:
    shutil.copy(str(w4 / "detections" / "quantized.json"), str(copy / "detections" / "quantized.json"))

    with pytest.raises(ConfigurationError, match=r"quantized.json: (these detections have mAP|holds \d+ detections)"):
        comparison.compare(w8, copy, demo.annotations)


def test_a_report_with_another_map_than_its_detections_have_is_noticed(copy: Path, w8: Path, demo: DataPaths) -> None:
    _edit(copy, lambda document: document["metrics"]["float"]["figures"].update(mAP=0.7))

    with pytest.raises(ConfigurationError, match="float.json: these detections have mAP 0.6.*says 0.700000"):
        comparison.compare(w8, copy, demo.annotations)


def test_annotations_that_are_missing_or_others_are_refused(w8: Path, demo: DataPaths, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such annotation file"):
        comparison.compare(w8, w8, tmp_path / "none.json")

    document = json.loads(demo.annotations.read_text())
    (tmp_path / "other.json").write_text(json.dumps({**document, "annotations": document["annotations"][1:]}))
    with pytest.raises(ConfigurationError, match="is not the annotation file that the runs were scored with"):
        comparison.compare(w8, w8, tmp_path / "other.json")


def test_a_folder_of_several_models_names_theirs(w8: Path, tmp_path: Path) -> None:
    for name in ("two", "one"):
        shutil.copytree(str(w8), str(tmp_path / name))

    with pytest.raises(ConfigurationError, match="name one of its folders: one, two"):
        comparison.compare(tmp_path, w8)


def test_two_failed_checks_that_complain_of_different_things_are_a_change(copy: Path, tmp_path: Path) -> None:
    def failed(*tensors: str) -> Callable[[Dict[str, Any]], None]:
        def change(document: Dict[str, Any]) -> None:
            biases = next(verdict for verdict in document["verdicts"] if verdict["gate"] == "biases")
            biases.update(outcome="fail", message="biases with a quantizer:\n  " + "\n  ".join(tensors))

        return change

    other = tmp_path / "other"
    shutil.copytree(str(copy), str(other))
    _edit(copy, failed("a:0"))

    assert [change.gate for change in comparison.compare(copy, _edit(other, failed("a:0", "b:0"))).verdicts] \
        == ["biases"]
    assert comparison.compare(copy, _edit(other, failed("a:0"))).verdicts == []


def test_the_terminal_shows_it_all_and_the_json_has_the_same_numbers(w8: Path, w4: Path, demo: DataPaths,
                                                                     found: Comparison, tmp_path: Path,
                                                                     capsys: pytest.CaptureFixture) -> None:
    target = tmp_path / "new" / "comparison.json"

    status = compare.main([str(w8), str(w4), "--annotation-json-file", str(demo.annotations), "--json", str(target)])

    shown = capsys.readouterr().out
    assert status == 0
    difference = found.headline[1].difference
    for part in ("80 images of shards 0-3", "AR_large", "crescent", f"{difference:.4f}", "worse",
                 "mAP_drop: pass -> fail, ", "bitwidths: pass -> fail, not as the card says:",
                 "param_bitwidth 8 -> 4", str(target)):
        assert part in shown
    document = json.loads(target.read_text())
    assert document == json.loads(json.dumps(comparison.as_document(found)))
    assert document["headline"][1]["difference"] == difference
    assert document["paired"]["intervals"]["quantized mAP"] == list(found.paired.intervals["quantized mAP"])


def test_the_annotations_may_be_set_in_the_environment(w8: Path, demo: DataPaths, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_ANNOTATION_JSON_FILE", str(demo.annotations))
    capsys.readouterr()

    assert compare.main([str(w8), str(w8)]) == 0

    assert capsys.readouterr().out.count("the same") == 3


def test_a_folder_cannot_take_the_json(w8: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert compare.main([str(w8), str(w8), "--json", str(tmp_path)]) == 2

    assert "is a folder; name a file" in _said(capsys.readouterr().err)


def test_names_from_outside_are_shown_as_they_stand(w8: Path, copy: Path, capsys: pytest.CaptureFixture) -> None:
    def hostile(document: Dict[str, Any]) -> None:
        for variant in VARIANTS:
            classes = document["metrics"][variant]["per_class"]
            classes["[red]disc[/]"] = classes.pop("disc")
        document["model"] = "[/bold]"
        document["verdicts"][0]["gate"] = "[blink]gate"

    _edit(copy, hostile)
    capsys.readouterr()

    assert compare.main([str(w8), str(copy)]) == 0

    shown = capsys.readouterr().out
    for name in ("[red]disc[/]", "[/bold]", "[blink]gate"):
        assert name in shown


@pytest.mark.parametrize(("figure", "interval", "expected"), [
    ("quantized mAP", None, ""),
    ("quantized mAP", Interval(0.0, 0.0), "the same"),
    ("quantized mAP", Interval(-0.1, -0.01), "worse"),
    ("quantized mAP", Interval(0.01, 0.1), "better"),
    ("quantized mAP", Interval(-0.01, 0.1), "other images may say the opposite"),
    ("mAP drop", Interval(0.01, 0.1), "worse"),
    ("mAP drop", Interval(-0.1, -0.01), "better"),
])
def test_an_interval_says_what_other_images_would(figure: str, interval: Optional[Interval], expected: str) -> None:
    assert comparison.meaning(figure, interval) == expected


@pytest.mark.parametrize(("value", "expected"), [
    (None, "–"), (0.0, "0.0000"), (-0.00001, "0.0000"), (0.00001, "0.0000"), (0.0123, "+0.0123"), (-0.5, "-0.5000"),
])
def test_a_difference_has_a_sign_unless_it_shows_as_zero(value: Optional[float], expected: str) -> None:
    assert comparison.signed(value) == expected


def test_reports_are_compared_without_tensorflow(w8: Path) -> None:
    script = ("import sys\nfrom quant_accuracy.commands import compare\n"
              "status = compare.main(sys.argv[1:])\nsys.exit(status or 'tensorflow' in sys.modules)")

    done = subprocess.run([sys.executable, "-c", script, str(w8), str(w8)], cwd=str(ROOT),
                          stdout=subprocess.DEVNULL)

    assert done.returncode == 0
