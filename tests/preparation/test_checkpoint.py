"""From a training checkpoint and its pipeline.config to the checkpoint that is evaluated."""

from pathlib import Path
from typing import Callable, Dict, List, Optional, Set, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import CheckpointError, ConfigurationError
from quant_accuracy.demo import ready
from quant_accuracy.preparation import checkpoint, pipeline_config, text_fields

_CONFIG = ready.PIPELINE_CONFIG
_TRAINED = ready.TRAINED
_AVERAGE = "/ExponentialMovingAverage"
_WEIGHTS = "FeatureExtractor/MobilenetV2/Conv/weights"
_MOMENT = "FeatureExtractor/MobilenetV2/Conv/BatchNorm/moving_mean"

_MORE = "BoxPredictor_0/ClassPredictor/weights"


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str], Path]:
    """The demo's pipeline.config with something replaced."""

    def make(old: str, new: str) -> Path:
        text = _CONFIG.read_text()
        assert text.count(old) >= 1
        path = tmp_path / "pipeline.config"
        path.write_text(text.replace(old, new, 1))
        return path

    return make


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


def test_fields_are_found_by_their_place_and_taken_out_without_moving_others() -> None:
    text = 'a { b: "}" \'{\' # c {\n d: [ { e: 1 }, { f: 2 } ] g < h: -1.5e-3 > } i: 1'

    found = {".".join(field.path): text[field.start:field.end] for field in text_fields.fields(text)}

    assert found["a.b"] == 'b: "}" \'{\''
    assert found["a.d"] == "d: [ { e: 1 }, { f: 2 } ]"
    assert found["a.g.h"] == "h: -1.5e-3"
    assert found["i"] == "i: 1"
    field = text_fields.at(text, 2, 2)
    assert field is not None
    assert field.path == ("a", "d")
    left = text_fields.without(text, field)
    assert len(left) == len(text)
    assert "e: 1" not in left
    assert "h: -1.5e-3" in left


@pytest.fixture(scope="module")
def built() -> tf.Graph:
    """A graph with two variables that are trained and one that is not."""
    with tf.Graph().as_default() as graph:
        for name in (_WEIGHTS, _MORE):
            tf.Variable(np.zeros([3, 3], np.float32), name=name)
        tf.Variable(np.zeros([3], np.float32), name=_MOMENT, trainable=False)
    return graph


@pytest.mark.parametrize(("asked", "holds", "taken"), [
    (True, "both", {_WEIGHTS + _AVERAGE, _MOMENT}),
    (False, "both", {_WEIGHTS, _MOMENT}),
    # The default of the Object Detection API.
    (None, "both", {_WEIGHTS, _MOMENT}),
    (None, "averages", {_WEIGHTS + _AVERAGE, _MOMENT}),
    (False, "variables", {_WEIGHTS, _MOMENT}),
])
def test_moving_averages_are_taken_where_eval_config_asks_for_them(built: tf.Graph, asked: Optional[bool],
                                                                   holds: str, taken: Set[str]) -> None:
    with built.as_default():
        sources = checkpoint._sources(Path("model.ckpt"), tf.global_variables(), _shapes(built, holds), asked)

    more = _MORE + _AVERAGE if _WEIGHTS + _AVERAGE in taken else _MORE
    assert set(sources) == {*taken, more}


@pytest.mark.parametrize(("asked", "holds", "message", "then"), [
    (True, "variables", "holds no moving averages.*set use_moving_averages to false", False),
    (False, "averages", "it holds only its moving average; set use_moving_averages .* to true", True),
    (True, "one without", "it holds not its moving average; set use_moving_averages .* to false", False),
])
def test_a_checkpoint_without_what_is_asked_for_says_what_to_ask_for(built: tf.Graph, asked: bool, holds: str,
                                                                     message: str, then: bool) -> None:
    with built.as_default():
        with pytest.raises(CheckpointError, match=message):
            checkpoint._sources(Path("model.ckpt"), tf.global_variables(), _shapes(built, holds), asked)

        assert checkpoint._sources(Path("model.ckpt"), tf.global_variables(), _shapes(built, holds), then)


def _shapes(graph: tf.Graph, holds: str) -> Dict[str, List[int]]:
    """What training left: of trained variables the value, its average, or both."""
    shapes = {variable.op.name: variable.shape.as_list()
              for variable in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)}
    trained = {variable.op.name for variable in graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)}
    averages = {name + _AVERAGE: shapes[name] for name in trained}
    if holds == "averages":
        return {**{name: shape for name, shape in shapes.items() if name not in trained}, **averages}
    if holds == "one without":
        del averages[_WEIGHTS + _AVERAGE]
    return shapes if holds == "variables" else {**shapes, **averages}


def test_an_export_takes_no_moving_averages_where_eval_config_forbids_them(
        tmp_path: Path, changed: Callable[[str, str], Path]) -> None:
    reader = tf.train.NewCheckpointReader(str(_TRAINED))
    with tf.Graph().as_default(), tf.Session() as session:
        values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        kept = {name: tf.Variable(value) for name, value in values.items()}
        # What training with moving averages leaves; they differ from the values, so that one sees which were taken.
        kept.update({name + _AVERAGE: tf.Variable(value + np.float32(1)) for name, value in values.items()
                     if "/moving_" not in name and value.dtype == np.float32})
        session.run(tf.global_variables_initializer())
        tf.train.Saver(kept).save(session, str(tmp_path / "training"), write_meta_graph=False)

    config = changed("train_config {", "eval_config { use_moving_averages: false }\ntrain_config {")
    exported = checkpoint.export(config, tmp_path / "training", tmp_path / "out")

    found = tf.train.NewCheckpointReader(str(exported.prefix))
    assert all(np.array_equal(found.get_tensor(name), values[name]) for name in (_WEIGHTS, _MOMENT))
    assert exported.averaged == 0
    assert exported.passed_over > 100
