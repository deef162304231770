"""Gates on a device as their user meets them: a device's detections in a file, pytest, xdist, JUnit, the report."""

import json
from pathlib import Path
from typing import Any, Dict, NamedTuple

import numpy as np
import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.commands import report
from quant_accuracy.detection.merge import Merged
from quant_accuracy.judging.verdicts import INCONCLUSIVE
from quant_accuracy.reporting import comparison
from quant_accuracy.reporting.document import read_report
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.gates import OF_DEVICE
from tests.support import devices, report_documents, suite

_SHARDS = ("--shards", "0-1")
_CARD = """
base: ssd_mobilenet_v2_demo
name: mine
gates: {device_mAP_drop: 0.01, device_mAP_floor: {limit: 0.9, known_failure: "#7"}, device_agreement: 0.9}
"""


class _Given(NamedTuple):
    """A card with gates on a device, and the detections of a device that has lost a third of the simulation's."""

    card: Path
    detections: Path
    without: Path


@pytest.fixture(scope="module")
def given(demo: DataPaths, cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> _Given:
    folder = tmp_path_factory.mktemp("given")
    (folder / "mine.yaml").write_text(_CARD, encoding="utf-8")
    report.main(["--model", str(folder / "mine.yaml"), "--cache-dir", str(cache.root), "--output-dir",
                 str(folder / "without"), *_SHARDS])
    simulated = read_report.read_detections(folder / "without" / "detections" / "quantized.json")
    lossy = devices.perturbed(Merged(np.unique(simulated.images), simulated), lost=0.35, shift=0.05)
    (folder / "device.json").write_text(json.dumps(list(lossy.as_coco())), encoding="utf-8")
    return _Given(folder / "mine.yaml", folder / "device.json", folder / "without")


@pytest.fixture(scope="module")
def reported(given: _Given, cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report on that device."""
    folder = tmp_path_factory.mktemp("reported")
    report.main(["--model", str(given.card), "--cache-dir", str(cache.root), "--output-dir", str(folder), *_SHARDS,
                 "--device-detections", str(given.detections), "--history", str(folder / "history.jsonl")])
    return folder


@pytest.fixture(scope="module")
def document(reported: Path) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads((reported / "report.json").read_text(encoding="utf-8"))
    return found


def test_each_gate_is_a_test_that_says_what_the_device_lost(given: _Given, cache: Cache, tmp_path: Path) -> None:
    done = suite.run(tmp_path, "--model", str(given.card), "--cache-dir", str(cache.root), *_SHARDS, "-n", "2", "-k",
                     "test_gate and device", "--device-detections", str(given.detections))

    name = "test_gate[mine-w8a8-{}]".format
    assert {gate: done.outcomes[name(gate)] for gate in OF_DEVICE} == {
        "device_mAP_floor": suite.SKIPPED, "device_mAP_drop": suite.FAILED, "device_agreement": suite.FAILED}
    assert done.status == 1
    assert done.numbers[name("device_mAP_floor")]["known_failure"] == "#7"
    assert "against the simulation" in done.messages[name("device_mAP_drop")]
    assert "the simulation does not have this loss, so no quantizer is to blame" in done.said
    assert "culprit" not in done.said
    assert float(done.numbers[name("device_agreement")]["interval_high"]) < 0.9
    assert [line for line in done.said.splitlines() if line.startswith("device_agreement ")]


def test_without_a_device_the_same_card_is_not_silently_green(given: _Given) -> None:
    verdicts = {verdict.gate: verdict for verdict in read_report.read_run(given.without).verdicts}

    assert {verdicts[gate].outcome for gate in OF_DEVICE} == {INCONCLUSIVE}
    assert all("could not be judged: there is no device: give --device" in verdicts[gate].message
               for gate in OF_DEVICE)
    assert "device mAP" not in (given.without / "report.md").read_text(encoding="utf-8").split("| gate")[0]


def test_the_report_sets_the_device_beside_the_other_variants(document: Dict[str, Any], reported: Path) -> None:
    device = document[DEVICE]
    maps = {side: device["metrics"][side]["figures"]["mAP"] for side in (FLOAT, QUANTIZED, DEVICE)}

    assert report_documents.schema_errors(document) == []
    assert device["mAP_drop"] == maps[QUANTIZED] - maps[DEVICE]
    assert device["whole_mAP_drop"] == maps[FLOAT] - maps[DEVICE]
    assert maps[FLOAT] == document["metrics"][FLOAT]["figures"]["mAP"]
    low, high = device["intervals"]["drop"]["mAP"]
    assert low < device["mAP_drop"] < high
    assert device["agreement"]["share"] == device["agreement"]["agreed"] / device["agreement"]["simulated"]
    assert all((reported / item["picture"]).is_file() for item in device["changed_images"])
    assert {item["device"] is None for item in document["changed_images"]} == {False}
    assert document["history"][0]["device_mAP"] == maps[DEVICE]
    assert "device drop of mAP" in (reported / "report.html").read_text(encoding="utf-8")
    assert "device agreement" in (reported / "report.md").read_text(encoding="utf-8")


def test_confusion_and_calibration_of_the_device_stand_beside_those_of_the_simulation(document: Dict[str, Any]) -> None:
    device, classes = document[DEVICE], len(document["confusion"]["classes"])
    counts = {**document["confusion"]["counts"], DEVICE: device["confusion"]["counts"][DEVICE]}
    objects = {side: sum(count for row, _, count in found if row < classes) for side, found in counts.items()}
    right = {side: sum(count for row, column, count in found if row == column < classes)
             for side, found in counts.items()}

    # The same images, of which the device finds fewer objects.
    assert device["confusion"]["counts"][QUANTIZED] == counts[QUANTIZED]
    assert device["calibration"][QUANTIZED] == document["calibration"][QUANTIZED]
    assert len(set(objects.values())) == 1
    assert 0 < right[DEVICE] < right[QUANTIZED]
    assert device["calibration"][DEVICE]["error"] > device["calibration"][QUANTIZED]["error"]


def test_runs_with_and_without_a_device_are_compared(given: _Given, reported: Path, document: Dict[str, Any]) -> None:
    came = comparison.compare(given.without, reported)
    again = comparison.compare(reported, reported)

    headline = {change.name: change for change in came.headline}
    assert (headline["device mAP"].before, headline["device mAP"].after) \
        == (None, document[DEVICE]["metrics"][DEVICE]["figures"]["mAP"])
    assert headline["device mAP"].difference is None
    assert "device mAP" not in came.paired.intervals
    assert again.paired.intervals["device mAP drop"] == again.paired.intervals["device mAP"] == (0.0, 0.0)
    assert [change.difference for change in again.figures[DEVICE]] == [0.0] * 12


def test_a_report_of_the_version_before_devices_is_still_compared(given: _Given, reported: Path,
                                                                  tmp_path: Path) -> None:
    old = json.loads((given.without / "report.json").read_text(encoding="utf-8"))
    old["schema_version"] = 5
    del old[DEVICE]
    (tmp_path / "report.json").write_text(json.dumps(old), encoding="utf-8")

    found = comparison.compare(tmp_path, reported)

    assert [change.difference for change in found.headline[:3]] == [0.0, 0.0, 0.0]
    assert found.before.device is None
