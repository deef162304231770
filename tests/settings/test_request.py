"""From cards and options to requests."""

from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.judging import baseline
from quant_accuracy.settings import card, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.options import Values


def _no_demo(cache: Cache) -> DataPaths:
    raise AssertionError("the demo is not wanted")


def test_options_overrule_the_card(tmp_path: Path) -> None:
    values: Dict[str, Any] = {"model_checkpoint": Path("m/model.ckpt"), "dataset_dir": Path("d"),
                              "annotation_json_file": Path("a.json"), "calibration_images": 7, "cache_dir": tmp_path}

    (request,), cache = requests.resolve(Values(values), _no_demo)

    assert request.card.name == options.REAL_CARD
    assert request.card.calibration_images == 7
    assert request.data.pattern == "coco_val.record-*-of-00010"
    assert cache.root == tmp_path


def test_missing_data_paths_are_named_as_options() -> None:
    with pytest.raises(ConfigurationError, match="set --model-checkpoint, --annotation-json-file, or the same"):
        requests.resolve(Values({"model": [options.REAL_CARD], "dataset_dir": Path("d")}), _no_demo)


_TEXT = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text()


@pytest.mark.parametrize(("typed", "said"), [
    ({}, "--model ssd_mobilenet_v2_demo"),
    ({"model": ["{path}"], "baseline_dir": Path("my baselines")}, "--model '{path}' --baseline-dir 'my baselines'"),
    ({"model": ["{path}"], "TFRecord_file_pattern": "val-*", "threads": 2, "shards": "0", "trust_checkpoint": True},
     "--model '{path}' --trust-checkpoint --TFRecord-file-pattern 'val-*'"),
])
def test_hints_repeat_what_the_user_typed_quoted_for_the_shell(typed: Dict[str, Any], said: str, demo: DataPaths,
                                                               tmp_path: Path) -> None:
    path = tmp_path / "my card.yaml"
    path.write_text(_TEXT)
    values = Values({key: [str(path)] if value == ["{path}"] else value for key, value in typed.items()})

    request, = requests.resolve(values, lambda _: demo)[0]

    assert request.again() == said.format(path=path)
    assert f"`./run pytest {request.again()} --update-baselines`" in baseline.remedy(request.again())
