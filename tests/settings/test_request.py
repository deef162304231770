"""From cards and options to requests."""

from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.values import Values


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
