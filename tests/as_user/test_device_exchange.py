"""From a bundle over a board to a verdict: the one that the same integer model gets where this suite runs it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import DEVICE, TFLITE
from quant_accuracy.commands import device_bundle
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support import fake_board

_IMAGES = 6


@pytest.fixture(scope="module")
def here(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Evaluation:
    """What this suite makes of its integer model."""
    return evaluate(Request(replace(demo_card, device=TFLITE), demo, 1, "1", _IMAGES), cache)


def test_a_board_that_runs_the_integer_model_gets_the_verdict_of_the_suite_that_runs_it(
        here: Evaluation, cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "bundle"
    assert device_bundle.main([str(bundle), "--device", "tflite", "--input-type", "uint8", "--shards", "1",
                               "--eval-num-examples", str(_IMAGES), "--cache-dir", str(cache.root)]) == 0
    assert "6 images of 1 shard in " in capsys.readouterr().out
    command = [sys.executable, fake_board.__file__, *map(str, (bundle, bundle / "model.tflite", bundle / "output"))]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    request = replace(here.request, card=replace(here.request.card, device=None), device_outputs=bundle / "output")
    there = evaluate(request, cache)

    assert list(there.verdicts) == list(here.verdicts)
    one, other = here.variants[DEVICE], there.variants[DEVICE]
    assert one.merged.results.equals(other.merged.results)
    assert one.metrics == other.metrics
    for (shard, ours), (same, theirs) in zip(one.parts, other.parts):
        assert shard == same
        for name in ours.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert json.dumps(there.figures.provenance).count('"kind": "outputs"') == 1
