"""Baselines: written, read, and what makes them incomparable."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.errors import (
    ConfigurationError,
)
from quant_accuracy.judging import baseline
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.records import ACTIVATION, PARAM
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.settings import options
from tests.support.places import ROOT

_PLACED = Placed("a:0", ACTIVATION, True, 8, False, "defaults", ((-1.0, 3.0),))


def test_a_baseline_is_read_as_it_was_written(committed: Baseline, tmp_path: Path) -> None:
    wide = replace(_PLACED, tensor="w:0", kind=PARAM, ranges=((-1.0, 0.1), (-3.0, 1 / 3)))

    baseline.write(tmp_path / "mine", "mine", committed, [_PLACED, wide])

    assert baseline.read(tmp_path / "mine") == committed
    assert baseline.read_quantizers(tmp_path / "mine") == [_PLACED, wide]
    assert len((tmp_path / "mine" / "quantizers.json").read_text().splitlines()) == 4


def test_a_baseline_may_do_without_jitter(committed: Baseline, tmp_path: Path) -> None:
    baseline.write(tmp_path, "mine", replace(committed, jitter=None), [_PLACED])

    assert baseline.read(tmp_path) == replace(committed, jitter=None)


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
    for placed, message in (([_PLACED, replace(_PLACED, bitwidth=4)], "a:0 appears twice"),
                            ([replace(_PLACED, ranges=((5.0, 1.0),))], "smallest value is above its largest")):
        snapshot.write(tmp_path / "quantizers.json", placed)

        with pytest.raises(ConfigurationError, match=message):
            baseline.read_quantizers(tmp_path)


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


def test_an_integer_beyond_all_floats_is_no_number_of_a_baseline(tmp_path: Path) -> None:
    document: Dict[str, Any] = json.loads((ROOT / "baselines" / options.DEMO_CARD / "figures.json").read_text())
    document["metrics"]["float"]["figures"]["mAP"] = 10 ** 400
    (tmp_path / "figures.json").write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match="mAP is 1000.*give a number from 0 to 1"):
        baseline.read(tmp_path)


def test_provenance_that_is_no_mapping_is_an_error_of_the_baseline(tmp_path: Path) -> None:
    document: Dict[str, Any] = json.loads((ROOT / "baselines" / options.DEMO_CARD / "figures.json").read_text())
    document["provenance"]["data"] = "x"
    (tmp_path / "figures.json").write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match="provenance.data is not a mapping"):
        baseline.read(tmp_path)


def test_provenance_without_a_runtime_is_that_of_tensorflow(committed: Baseline) -> None:
    before = {name: value for name, value in committed.provenance.items() if name != baseline.RUNTIME_KEY}
    old = replace(committed, provenance=before)

    assert old.runtime() == "tensorflow"
    assert baseline.other_origin(old, {**before, baseline.RUNTIME_KEY: "tensorflow"}) == []
    assert baseline.changed({**before, baseline.RUNTIME_KEY: "tensorflow"}, before) == []
    assert baseline.other_origin(old, {**before, baseline.RUNTIME_KEY: "openvino 2023.1.0"}) == [
        "runtime tensorflow -> openvino 2023.1.0"]


def test_a_device_in_a_baseline_is_kept_and_says_nothing_of_the_other_variants(committed: Baseline,
                                                                             tmp_path: Path) -> None:
    measured = replace(committed, metrics={**committed.metrics, "device": committed.metrics["quantized"]},
                       provenance={**committed.provenance, "device": {"kind": "tflite"}})
    baseline.write(tmp_path, "mine", measured, [])

    found = baseline.read(tmp_path)

    assert found is not None
    assert found.metrics["device"] == committed.metrics["quantized"]
    assert baseline.other_origin(found, committed.provenance) == []
    assert baseline.incomparable(found, committed.provenance, whole=True) is None
