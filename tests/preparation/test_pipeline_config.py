"""Training configurations of other versions, and of what they may not change."""

from pathlib import Path
from typing import Callable, Tuple

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.demo import ready
from quant_accuracy.preparation import pipeline_config
from tests.support import lanes

pytestmark = lanes.needs_object_detection

_CONFIG = ready.PIPELINE_CONFIG


@pytest.mark.parametrize(("old", "new", "line"), [
    # As it came with ssd_mobilenet_v2_coco_2018_03_29.
    ('type: "ssd_mobilenet_v2"', 'type: "ssd_mobilenet_v2"\n      batch_norm_trainable: true', 13),
    ("hard_example_miner {", 'hard_example_miner { later: [1, 2] # {\n kind: "}" ', 125),
    ("batch_size: 12", "batch_size: 12 fine_tune_checkpoint_version: V2", 138),
    ("batch_size: 12", "batch_size: 12.5", 138),
    ("train_config {", "train_config { optimizer { lion { rate < a: 1 > } }", 137),
    ("train_config {", 'eval_config { metrics_later: "a" "b" use_moving_averages: true }\ntrain_config {', 137),
    ("quantization {", "quantization { later: 1", 141),
])
def test_what_another_version_of_the_api_says_of_training_is_passed_over_with_a_note(
        changed: Callable[[str, str], Path], capsys: pytest.CaptureFixture, old: str, new: str, line: int) -> None:
    found = pipeline_config.read(changed(old, new))

    said = capsys.readouterr().err
    assert f"line {line}: " in said
    assert "does not know it, and it does not change the network" in said
    assert found.config.model == pipeline_config.load(_CONFIG).model
    assert found.averages is (True if "use_moving_averages" in new else None)


@pytest.mark.parametrize(("old", "new", "message", "remedied"), [
    ("image_resizer {", "image_resizr {", "line 5: .* the field 'image_resizr' of Ssd, which may change .*"
     "did you mean 'image_resizer'", ("image_resizr", "image_resizer")),
    ("depth_multiplier: 0.35", "depth_multiplier: 0.35\n      later: true", "line 14: .* the field 'later' of "
     "SsdFeatureExtractor, .*; delete the line", ("later: true", "")),
    ("SIGMOID", "SOFTPLUS", "line 113: model.ssd.post_processing.score_converter has a value .* correct it",
     ("SOFTPLUS", "SIGMOID")),
    ("train_config {", "eval_config { use_moving_average: true }\ntrain_config {",
     "line 137: .*did you mean 'use_moving_averages'", ("average:", "averages:")),
    ("train_config {", "later { a: 1 }\ntrain_config {", "line 137: .* the field 'later' of TrainEvalPipelineConfig",
     ("later { a: 1 }", "")),
    ("model {", "model {{", "line 2: Expected identifier or number, got {.*repair the line", ("{{", "{")),
])
def test_what_may_change_the_network_is_an_error_whose_remedy_works(
        changed: Callable[[str, str], Path], old: str, new: str, message: str, remedied: Tuple[str, str]) -> None:
    path = changed(old, new)

    with pytest.raises(ConfigurationError, match=message):
        pipeline_config.load(path)

    path.write_text(path.read_text().replace(*remedied))
    assert pipeline_config.load(path).model == pipeline_config.load(_CONFIG).model


@pytest.mark.parametrize(("encoding", "ends"), [("utf-8-sig", "\r\n"), ("utf-16", "\n"), ("utf-8", "\r\n")])
def test_a_configuration_may_come_from_windows(tmp_path: Path, encoding: str, ends: str) -> None:
    path = tmp_path / "pipeline.config"
    path.write_bytes(_CONFIG.read_text().replace("\n", ends).encode(encoding))

    assert pipeline_config.load(path) == pipeline_config.load(_CONFIG)


def test_a_file_that_is_something_else_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "label_map.pbtxt"
    path.write_text('item { id: 1 name: "/m/01g317" }\n')

    with pytest.raises(ConfigurationError, match="name the pipeline.config of the checkpoint if this is another file"):
        pipeline_config.load(path)
