"""The aimet backend through the user's door, with the stand-in of AIMET.

As AIMET gives them, its quantizers carry no reason, and its new biases are numbered in its own order.
"""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.commands import report
from quant_accuracy.judging import checks
from quant_accuracy.settings.card import DataPaths
from tests.support import stand_in
from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane


def _outcomes(cache: Path, output: Path, *more: str) -> Mapping[str, str]:
    """What every gate and check says, on a few images of the demo."""
    report.main(["--eval-num-examples", "4", "--calibration-images", "4", "--cache-dir", str(cache),
                 "--output-dir", str(output), *more])
    document: Dict[str, Any] = json.loads((output / "report.json").read_text())
    return {verdict["gate"]: verdict["outcome"] for verdict in document["verdicts"]}


@pytest.mark.parametrize("simulator", ["builtin", "aimet"])
def test_every_gate_says_of_aimets_quantizers_what_it_says_of_the_same_of_the_builtin_backend(
        demo: DataPaths, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator: str) -> None:
    own = tmp_path / "cache"
    own.mkdir()
    for kind in ("demo-data", "float", "suppression"):
        (own / kind).symlink_to(ROOT / ".cache" / kind)

    expected = _outcomes(cache.root, tmp_path / "builtin")
    with stand_in.installed(monkeypatch, tmp_path):
        monkeypatch.setenv(stand_in.ORDER, stand_in.REVERSED)
        found = _outcomes(own, tmp_path / "aimet", "--backend", "aimet", "--simulate", simulator)

    assert found == expected
    assert expected[checks.ACTIVATIONS] == "pass"
    rules = {item["rule"] for item in json.loads((tmp_path / "aimet" / "report.json").read_text())["quantizers"]}
    assert rules == {"AIMET"}
