"""The aimet-onnx backend through the user's door, with the real AIMET for ONNX, which runs the network, too."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.commands import report
from quant_accuracy.judging import checks
from quant_accuracy.quantization import aimet_onnx
from quant_accuracy.settings.card import DataPaths
from tests.support.places import ROOT


@pytest.mark.skipif(aimet_onnx.installed() is None,
                    reason="AIMET ONNX is not installed (./run aimet-install, in the lane of Python 3.10 or later)")
def test_a_report_on_what_aimet_2_quantizes_and_runs(demo: DataPaths, cache: Cache, tmp_path: Path) -> None:
    own, output = tmp_path / "cache", tmp_path / "output"
    own.mkdir()
    for kind in ("demo-data", "float", "suppression"):
        (cache.root / kind).mkdir(exist_ok=True)
        (own / kind).symlink_to(ROOT / ".cache" / kind)

    report.main(["--eval-num-examples", "4", "--calibration-images", "4", "--cache-dir", str(own),
                 "--backend", "aimet-onnx", "--output-dir", str(output), "--quantsim-output-dir", str(output)])

    document: Dict[str, Any] = json.loads((output / "report.json").read_text())
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in document["verdicts"]}
    # The snapshot is another backend's, and of encodings from other images.
    assert {outcomes[name] for name in (checks.WEIGHTS, checks.ACTIVATIONS, checks.BIASES, checks.INPUTS,
                                        checks.OUTPUTS, checks.BITWIDTHS, checks.USABLE, checks.COVERAGE)} == {"pass"}
    assert {item["rule"] for item in document["quantizers"]} == {"AIMET ONNX"}
    assert document["provenance"]["quantization"]["simulator"] == "aimet-onnx"
    assert {"aimet-onnx", "onnxruntime", "tf2onnx"} <= set(document["provenance"]["versions"])
    before, after = (document["metrics"][variant]["figures"]["mAP"] for variant in ("float", "quantized"))
    assert after == pytest.approx(before, abs=0.1)
    assert sum("AIMET ONNX: " in note for note in document["notes"]) == 3
    assert {path.name for path in (output / "onnx").iterdir()} == {"model.onnx", "model.data", "model.encodings"}
    assert {"model.meta", "model.encodings"} <= {path.name for path in output.iterdir()}
