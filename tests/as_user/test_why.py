"""Why, as users meet it: in the message of a failed test, in reports, and after a search that was killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

import pytest
import yaml

from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.card_files import SHIPPED
from tests.support import planted, report_documents, suite
from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane

_DEMO = "ssd_mobilenet_v2_demo-w8a8"


@pytest.fixture(scope="module")
def few_bits(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> List[str]:
    """The arguments that plant a layer with few bits, which costs so much that a few shards show it."""
    document = yaml.safe_load((SHIPPED / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8"))
    document["quantization"]["overrides"] = {planted.COARSE: {"bitwidth": 3}}
    path = tmp_path_factory.mktemp("few_bits") / "card.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return ["--model", str(path), "--shards", "0-2", "--calibration-images", "2"]


def _why(message: str) -> List[str]:
    """The lines of an answer in the message of a test; a message stands there twice."""
    return list(dict.fromkeys(line for line in message.splitlines() if line.startswith("why: ")))


def test_failed_gates_on_the_quantized_map_name_the_culprit_in_three_lines_whichever_worker_runs_them(
        few_bits: List[str], tmp_path: Path) -> None:
    done = suite.run(tmp_path, "-k", "test_gate", *few_bits, "-n", "2", "--report", "json,md", "--output-dir",
                     str(tmp_path))

    names = done.red()
    assert {f"test_gate[{_DEMO}-{gate}]" for gate in ("mAP_drop", "mAP_ratio", "mAP_baseline")} <= set(names)
    assert not [name for name in names if "float" in name]
    answers: Dict[str, List[str]] = {name: _why(done.messages[name]) for name in names}
    first, second, third = answers[names[0]]
    assert first.startswith(f"why: culprit, 1 of 163 quantizers: {planted.COARSE}; without it the quantized mAP is 0.")
    assert second.startswith(f"why: most harmful on 2 calibration images: {planted.COARSE} (3 bits, SQNR ")
    assert third.startswith("why: AP drop by class ")
    assert all(answer == answers[names[0]] for answer in answers.values())
    document = json.loads((tmp_path / "report.json").read_text())
    assert report_documents.schema_errors(document) == []
    assert [f"why: {line}" for line in document["why"]["lines"]] == answers[names[0]]
    assert document["why"]["bisection"]["off"] == [planted.COARSE]
    assert "Culprit, 1 of 163 quantizers" in (tmp_path / "report.md").read_text()


def test_no_why_leaves_the_verdict_alone(few_bits: List[str], tmp_path: Path) -> None:
    done = suite.run(tmp_path, "-k", "mAP_drop", "--no-why", *few_bits)

    name = f"test_gate[{_DEMO}-mAP_drop]"
    assert done.red() == [name]
    assert "is above 0.02" in done.messages[name]
    assert _why(done.messages[name]) == []


@pytest.mark.soak
def test_a_killed_search_goes_on_with_what_it_has_measured(demo: DataPaths, tmp_path: Path) -> None:
    cache = suite.cache_without_detections(tmp_path / "cache")
    command = [sys.executable, str(ROOT / "tools" / "report.py"), "--why", "--shards", "0",
               "--calibration-images", "2", "--cache-dir", str(cache), "--output-dir", str(tmp_path)]

    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(cache.glob("sensitivity/*.npz")):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("sensitivity/*.npz")}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    assert len(kept) == 1, "the search was over before it could be killed"
    assert done.returncode in (0, 1)
    assert "why: most harmful on 2 calibration images: " in done.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(cache.glob("sensitivity/*.npz"))) == 2


@pytest.mark.soak
def test_the_budget_ends_the_search_with_what_is_known_by_then(few_bits: List[str], tmp_path: Path,
                                                               capsys: pytest.CaptureFixture) -> None:
    from quant_accuracy.commands import report

    status = report.main(["--why", "--why-budget", "0.001", *few_bits, "--output-dir", str(tmp_path), "--cache-dir",
                          str(suite.cache_without_detections(tmp_path / "cache"))])

    said = capsys.readouterr().out
    assert status == 1
    assert "why: no set of quantizers was measured that could give quantized mAP at least 0." in said
    assert "time ran out before; most noise at the outputs is that of convolution weights at 3 bits (1 of 163 " in said
    assert "raise --why-budget, what is finished is kept" in said
    assert "why: 0 measurements in 0 s, ranking on 1 images in " in said
    assert "why: most harmful on 1 calibration images: " in said
    assert report_documents.schema_errors(json.loads((tmp_path / "report.json").read_text())) == []
