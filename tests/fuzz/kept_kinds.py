"""What earlier runs left: snapshots, baselines, histories, reports, results, detections."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any, Dict, List

import numpy as np

from quant_accuracy.detection import store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.judging import baseline
from quant_accuracy.quantization import snapshot
from quant_accuracy.reporting.document import history, read_report
from quant_accuracy.settings import options as project
from tests.fuzz import mutations
from tests.fuzz.kind import SIZE, Kind, at, json_kind
from tests.support import report_documents
from tests.support.places import ROOT


def snapshot_kind(_: Path) -> Kind:
    """Snapshots: they can be compared, and do not differ from themselves."""
    def use(path: Path) -> None:
        placed = snapshot.read(path)
        assert not snapshot.differences(placed, placed)
        assert all(math.isfinite(drift.change) for drift in snapshot.drifts(placed, placed))

    return json_kind("quantizers.json", report_documents.quantizers(), use)


def baseline_kind(_: Path) -> Kind:
    """Baselines: figures are what they can be, and the provenance does not differ from itself."""
    folder = ROOT / "baselines" / project.DEMO_CARD

    def use(path: Path) -> None:
        found = baseline.read(path.parent)
        assert found is not None
        for metrics in found.metrics.values():
            assert all(value is None or 0 <= value <= 1 for value in metrics.figures.values())
        if "NaN" in json.dumps(found.provenance):
            # It differs from all, itself included: never taken for the same.
            return
        assert baseline.incomparable(found, found.provenance, True) is None
        assert not baseline.other_origin(found, found.provenance)
        figures = {} if found.jitter is None else found.jitter.figures
        assert all(math.isfinite(value) for values in figures.values() for value in values)

    return json_kind("baseline/figures.json", json.loads((folder / "figures.json").read_text()), use)


def history_kind(_: Path) -> Kind:
    """Histories: lines, some of them damaged."""
    line = {"schema_version": 1, "time": "2019-10-15T12:00:00Z", "model": "m", "images": 40, "shards": "0-3",
            "float_map": 0.5, "quantized_map": 0.49, "drop": 0.01, "outcomes": {"pass": 3},
            "provenance": {"data": {"shards": {"a": "b"}}, "versions": {"numpy": "1"}}}

    def damage(random: Random) -> bytes:
        lines = [mutations.json_file(random, line).replace(b"\n", b" ") if random.randrange(2)
                 else mutations.as_text(line) for _ in range(3)]
        return b"\n".join(lines)

    def use(path: Path) -> None:
        found = history.read(path)
        assert len(found) <= path.read_bytes().count(b"\n") + 1
        assert all(entry.float_map is None or 0 <= entry.float_map <= 1 for entry in found)

    return Kind(at("history.jsonl"), damage, use)


def report_kind(_: Path) -> Kind:
    """Reports: both variants, and a drop that can be."""
    def use(path: Path) -> None:
        found = read_report.read_run(path)
        assert set(found.metrics) == {"float", "quantized"}
        assert found.drop() is None or abs(float(found.drop() or 0.0)) <= 1

    whole = report_documents.document()
    whole["provenance"].setdefault("data", {}).update(annotations="a" * 64)
    return json_kind("report.json", json.loads(json.dumps(whole)), use)


def results_kind(_: Path) -> Kind:
    """COCO results: a table of finite numbers."""
    rows: List[Dict[str, Any]] = [{"image_id": 7 + n, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5, "category_id": 3}
                                  for n in range(4)]

    def use(path: Path) -> None:
        found = read_report.read_detections(path)
        assert found.images.dtype == found.categories.dtype == np.int64
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.scores).all()

    return json_kind("float.json", rows, use)


def detections_kind(folder: Path) -> Kind:
    """Stored detections: refused, or the same to the last bit."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [Detections(np.array([[0.1, 0.1, 0.5, 0.5]], np.float32), np.array([0.9], np.float32),
                        np.array([3], np.int32))] * 2
    part = store.gather([np.array([7, 8])], [np.array([SIZE, SIZE])], found)
    store.save(folder / "good.npz", part)
    content = (folder / "good.npz").read_bytes()

    def use(path: Path) -> None:
        again = store.load(path)
        for name, dtype in store._FIELDS.items():
            assert getattr(again, name).dtype == dtype
            assert np.array_equal(getattr(again, name), getattr(part, name))

    return Kind(at("shard.npz"), lambda random: mutations.any_bytes(random, content), use)
