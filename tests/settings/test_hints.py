"""Commands that messages tell the user to paste: what she typed, whole, and such that they are followed."""

from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from quant_accuracy.settings import hints, request
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.options import DEMO_CARD
from quant_accuracy.settings.values import Values

_SUITE = "pytest --pyargs test_quant_accuracy"


def _hint(typed: Dict[str, Any], suite: Optional[str] = _SUITE, root: Path = Path("/repository"), **more: bool) -> str:
    return hints.new_baseline(Values(typed, {}, root, suite), "mine", "mine", **more)


@pytest.mark.parametrize(("typed", "said"), [
    ({}, "--model mine"),
    ({"threads": 2, "shards": "0", "output_dir": Path("/out")}, "--model mine"),
    ({"baseline_dir": Path("/my baselines")}, "--model mine '--baseline-dir=/my baselines'"),
    ({"trust_checkpoint": True, "dataset_dir": Path("/data"), "eval_batch_size": 8},
     "--model mine --trust-checkpoint --dataset-dir=/data --eval-batch-size 8"),
])
def test_a_hint_repeats_what_says_which_model_and_which_data(typed: Dict[str, Any], said: str) -> None:
    assert _hint(typed) == f"`{_SUITE} {said} --update-baselines`"


def test_paths_hold_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = Values({"dataset_dir": Path("data")}, suite=_SUITE)

    said = hints.new_baseline(values, "mine", "models/my card.yaml")

    assert said == f"`{_SUITE} '--model={tmp_path}/models/my card.yaml' --dataset-dir={tmp_path}/data " \
                   "--update-baselines`"


@pytest.mark.parametrize(("pattern", "whole"), [
    ("coco_val.record-0000[0-3]-of-00010", "coco_val.record-*-of-00010"),
    ("coco_val.record-00001-of-00010.gz", "coco_val.record-*-of-00010.gz"),
    ("coco_val.record-?????-of-00010", "coco_val.record-*-of-00010"),
    ("val-*.record", "val-*.record"),
])
def test_a_pattern_that_leaves_shards_out_is_widened_as_an_update_needs_it(pattern: str, whole: str) -> None:
    assert f"--TFRecord-file-pattern '{whole}'" in _hint({"TFRecord_file_pattern": pattern})
    # Unless the card leaves them out on purpose.
    assert pattern in _hint({"TFRecord_file_pattern": pattern}, part_on_purpose=True)


def test_options_that_an_update_refuses_are_said_to_be_left_out() -> None:
    said = _hint({"default_param_bw": 4, "spelled_out_batch_norms": "fold", "quantsim_config": Path("c.json")})

    assert said == (f"`{_SUITE} --model mine --update-baselines` (it is made as the model card says, without "
                    "--default-param-bw, --spelled-out-batch-norms, --quantsim-config)")


def test_a_command_line_says_where_it_looked_for_pytest_may_look_elsewhere(tmp_path: Path,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANT_ACCURACY_RUN", "./run")
    card = tmp_path / "models" / "mine.yaml"
    card.parent.mkdir()
    card.write_text("")

    said = _hint({}, None, tmp_path)

    assert said == f"`./run pytest --model={card} --baseline-dir={tmp_path}/baselines --update-baselines`"


def test_a_model_among_several_of_the_demo_takes_no_paths(demo: DataPaths, tmp_path: Path) -> None:
    values = Values({"model": [DEMO_CARD, "other"], "dataset_dir": Path("/data")}, {}, tmp_path, _SUITE)

    assert hints.new_baseline(values, DEMO_CARD, DEMO_CARD, demo=True) == \
        f"`{_SUITE} --model {DEMO_CARD} --update-baselines`"


def test_a_request_carries_the_hint_of_its_model(demo: DataPaths, tmp_path: Path) -> None:
    asked, = request.resolve(Values({}, {}, tmp_path, _SUITE), lambda _: demo)[0]

    assert asked.remake == f"`{_SUITE} --model {DEMO_CARD} --update-baselines`"
    assert asked.new_baseline == tmp_path / "baselines" / DEMO_CARD
