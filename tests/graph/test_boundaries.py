"""Graphs against what a model card says of them: where the network begins and ends."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import boundaries
from quant_accuracy.settings.card import DataPaths, ModelCard

_MOBILENET = "FeatureExtractor/MobilenetV2/"
_FIRST = "FeatureExtractor/MobilenetV2/Conv/Conv2D"
_START = "starting_op: FeatureExtractor/MobilenetV2/MobilenetV2/input"
_ENDS = "output_ops: [concat, concat_1]"


@pytest.fixture(scope="module")
def demo_graph(demo: DataPaths) -> tf.GraphDef:
    """The graph of the demo's checkpoint, variables and savers included."""
    return tf.MetaGraphDef.FromString(Path(f"{demo.checkpoint}.meta").read_bytes()).graph_def


@pytest.mark.parametrize("changes", [
    {}, {"starting_ops": ("Preprocessor/sub",)},
    {"output_ops": ("concat_1", "concat")}, {"output_ops": ("Squeeze", "concat_1")},
])
def test_names_that_take_in_all_weights_are_accepted(demo_graph: tf.GraphDef, demo_card: ModelCard,
                                                     changes: Dict[str, Any]) -> None:
    boundaries.check(demo_graph, replace(demo_card.graph, **changes))


@pytest.mark.parametrize(("changes", "what", "remedy"), [
    ({"starting_ops": (_MOBILENET + "Conv/Relu6",)}, f"those of {_FIRST} would get no quantizer", _START),
    ({"starting_ops": (_FIRST,)}, f"those of {_FIRST} would", _START),
    ({"starting_ops": (_MOBILENET + "expanded_conv/depthwise/Relu6",)}, f"{_FIRST}, .*depthwise", _START),
    ({"starting_ops": ("detection_boxes",)}, f"{_FIRST}, .*and 69 more", _START),
    ({"starting_ops": ("Cast",)}, "takes in the loop of the preprocessor that resizes images .Prep.*/map", _START),
    ({"starting_ops": ("image_tensor",)}, "takes in the loop of the preprocessor", _START),
    # Spelled nearly as an op behind the first convolution.
    ({"starting_ops": (_MOBILENET + "Conv/Relu",)}, "no op 'Feat", _START),
    ({"starting_ops": ("input",)}, "no op 'input'", _START),
    ({"output_ops": ("concat",)}, "BoxPredictor_0/ClassPredictor/Conv2D, .* and 3 more would get no", _ENDS),
    ({"output_ops": ("FeatureExtractor/MobilenetV2/Conv_1/Relu6",)}, "leave weights behind them", _ENDS),
    ({"output_ops": ("concat", "concat_2")}, "no op 'concat_2'", _ENDS),
    ({"output_ops": ("raw_boxes", "raw_scores")}, "no op 'raw_boxes'", _ENDS),
    ({"image_input": "images"}, "no op 'images'", "image_input .* that takes images .image_tensor.$"),
    ({"detections": ("detection_boxes", "detection_score", "detection_classes", "num_detections")},
     "no op 'detection_score'", "did you mean detection_scores"),
])
def test_names_that_leave_weights_out_are_refused_with_those_that_do_not(
        demo_graph: tf.GraphDef, demo_card: ModelCard, changes: Dict[str, Any], what: str, remedy: str) -> None:
    with pytest.raises(GraphError, match=f"{what}.*{re.escape(remedy) if remedy in (_START, _ENDS) else remedy}"):
        boundaries.check(demo_graph, replace(demo_card.graph, **changes))


_NAMES = GraphNames("images", ("start",), ("end",), ("boxes", "boxes", "boxes", "boxes"))


def _detector(before: Callable[[tf.Tensor], tf.Tensor], body: Callable[[tf.Tensor], tf.Tensor],
              placeholder: Optional[tf.Tensor] = None) -> tf.GraphDef:
    """Images -> before -> start -> body -> end -> boxes."""
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.uint8, [None, None, None, 3], name="images") if placeholder is None else placeholder
        start = tf.identity(before(tf.cast(given, tf.float32)), name="start")
        tf.exp(tf.identity(body(start), name="end"), name="boxes")
    return graph.as_graph_def()


def _conv(x: tf.Tensor, name: str) -> tf.Tensor:
    weights = tf.get_variable(f"{name}/weights", [3, 3, 3, 3], use_resource=name.startswith("resource"))
    return tf.nn.conv2d(x, weights, 1, "SAME", name=f"{name}/Conv2D")


def test_weights_that_are_part_of_the_program_may_stand_before_the_network() -> None:
    def gray(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, tf.constant(np.full([1, 1, 3, 3], 1 / 3, np.float32)), 1, "SAME")

    boundaries.check(_detector(gray, lambda x: _conv(x, "a")), _NAMES)
    with pytest.raises(GraphError, match="those of b/Conv2D would get no quantizer; set starting_op: Cast in"):
        boundaries.check(_detector(lambda x: _conv(x, "b"), lambda x: _conv(x, "a")), _NAMES)


@pytest.mark.parametrize("name", ["plain", "resource"])
def test_padding_belongs_to_the_first_convolution(name: str) -> None:
    graph = _detector(lambda x: x / 128.0, lambda x: _conv(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), name))

    with pytest.raises(GraphError, match="set starting_op: start in"):
        boundaries.check(graph, replace(_NAMES, starting_ops=("begin",)))


def test_of_two_first_convolutions_the_op_that_feeds_both_is_suggested() -> None:
    graph = _detector(lambda x: x / 128.0, lambda x: _conv(x * 2.0, "a") + _conv(x * 3.0, "b"))

    with pytest.raises(GraphError, match="those of a/Conv2D would get no quantizer; set starting_op: start in"):
        boundaries.check(graph, replace(_NAMES, starting_ops=("mul_1",)))
