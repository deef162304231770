"""From a training checkpoint to the checkpoint that is evaluated."""

from pathlib import Path
from typing import Callable, Dict, List, Optional, Set

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import CheckpointError
from quant_accuracy.demo import ready
from quant_accuracy.freezing import load
from quant_accuracy.preparation import checkpoint
from quant_accuracy.settings.card import ModelCard
from tests.support import lanes

pytestmark = lanes.needs_object_detection

_TRAINED = ready.CHECKPOINT
_AVERAGE = "/ExponentialMovingAverage"
_WEIGHTS = "FeatureExtractor/MobilenetV2/Conv/weights"
_MOMENT = "FeatureExtractor/MobilenetV2/Conv/BatchNorm/moving_mean"

_MORE = "BoxPredictor_0/ClassPredictor/weights"


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


_CONFIG = ready.PIPELINE_CONFIG
_FIRST = "FeatureExtractor/MobilenetV2/Conv/Conv2D"


@pytest.mark.soak
def test_the_checkpoint_of_a_rewritten_graph_can_be_exported_without_its_fake_quantization(demo_card: ModelCard,
                                                                                         tmp_path: Path) -> None:
    # Its graph is not read; what it holds beside the weights are ranges.
    reader = tf.train.NewCheckpointReader(str(_TRAINED))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values.update({f"{_FIRST[:-7]}/{which}": np.float32(6) for which in ("act_quant/max", "weights_quant/min")})
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver({name: tf.Variable(value) for name, value in values.items()})
        session.run(tf.global_variables_initializer())
        saver.save(session, str(tmp_path / "model.ckpt"))
    rewriter = "graph_rewriter { quantization { delay: 1 weight_bits: 8 activation_bits: 8 } }"
    (tmp_path / "pipeline.config").write_text(f"{_CONFIG.read_text(encoding='utf-8')}\n{rewriter}\n")

    done = checkpoint.export(tmp_path / "pipeline.config", tmp_path / "model.ckpt", tmp_path / "out")

    load.load_network(done.prefix, demo_card.graph)
