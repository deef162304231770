"""Graphs against what a model card says of them: where the network begins and ends."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

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


def _two_scales(resized: Callable[[tf.Tensor], tf.Tensor] = lambda x: x) -> tf.GraphDef:
    """Images -> a network behind two scales of them, whose features are joined."""
    with tf.Graph().as_default() as graph:
        pixels = tf.cast(tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images"), tf.float32)
        large = tf.identity(resized(pixels) / 128.0, name="large")
        small = tf.identity(resized(pixels[:, ::2, ::2]) / 64.0, name="small")
        features = _conv(large, "a")[:, ::2, ::2]
        joined = tf.concat([_conv(features, "b"), _conv(small, "c")], 3)
        end = tf.identity(tf.nn.relu(joined), name="end")
        beside = tf.identity(pixels, name="aside_2")[:, ::2, ::2, :1]
        tf.exp(end + tf.identity(joined, name="aside")[..., :1] + beside, name="boxes")
        tf.identity(joined, name="unused")
    return graph.as_graph_def()


def _in_a_loop(x: tf.Tensor) -> tf.Tensor:
    return tf.map_fn(lambda image: image + 1.0, x)


_TWO = replace(_NAMES, starting_ops=("large", "small"))


@pytest.mark.parametrize("resized", [lambda x: x, _in_a_loop], ids=["plain", "loops"])
@pytest.mark.parametrize("starts", [("large", "small"), ("small", "large")])
def test_several_starting_ops_that_take_in_all_weights_together_are_accepted(
        resized: Callable[[tf.Tensor], tf.Tensor], starts: Sequence[str]) -> None:
    boundaries.check(_two_scales(resized), replace(_NAMES, starting_ops=tuple(starts)))


@pytest.mark.parametrize(("looped", "starts", "message"), [
    (True, ["large"], "starting op 'large' leaves weights before it or beside it: those of c/Conv2D would get no "
                      "quantizer; set starting_op: [large, small] in"),
    (True, ["images"], "'images' takes in the loop of the preprocessor .* set starting_op: [large, small] in"),
    (True, ["small", "images"], "'images' takes in the loop of the prep.*; set starting_op: [small, large] in"),
    (True, ["large", "c/Conv2D"], "op 'c/Conv2D' leaves weights before it .* c/Conv2D would .* [large, small] in"),
    (False, ["large"], "c/Conv2D would get no quantizer; set starting_op: Cast in"),
    (False, ["a/Conv2D", "small"], "op 'a/Conv2D' leaves .* a/Conv2D would .*; set starting_op: [small, large] in"),
    (False, ["b/Conv2D", "small"], "'b/Conv2D' leaves .* a/Conv2D, b/Conv2D would .*; set starting_op: [small, large]"),
    (False, ["b/Conv2D", "concat"], "ops 'b/Conv2D', 'concat' leave weights before them .* set starting_op: Cast in"),
    (False, ["strided_slice", "small"], "'strided_slice', 'small' leave weights .* beside them: those of a/Conv2D, "
                                        "b/Conv2D would .*; set starting_op: [strided_slice, large] in"),
    (False, ["large", "smal"], "no op 'smal'; set starting_op: [large, small] in"),
    (False, ["large", "small", "smal"], "no op 'smal'; take 'smal' out of starting_op in"),
    (False, ["large", "small", "concat/axis"], "'concat/axis' is not on the way from .*; take 'concat/axis' out"),
    (False, ["large", "small", "unused"], "'unused' is not on the way from .*; take 'unused' out"),
    (False, ["large", "small", "aside"], "op 'aside' is behind another.*; take 'aside' out"),
    (False, ["large", "small", "aside_2"], "'aside_2' leads to none of the output ops end; take 'aside_2' out"),
])
def test_of_several_starting_ops_the_wrong_one_is_named_and_the_others_stay(
        looped: bool, starts: Sequence[str], message: str) -> None:
    graph = _two_scales(_in_a_loop) if looped else _two_scales()

    with pytest.raises(GraphError, match=message.replace("[", r"\[").replace("]", r"\]")) as caught:
        boundaries.check(graph, replace(_NAMES, starting_ops=tuple(starts)))

    written = re.search(r"set starting_op: \[?([^\]]*?)\]? in the model card", str(caught.value))
    right = written.group(1).split(", ") if written else \
        [start for start in starts if f"take {start!r} out" not in str(caught.value)]
    boundaries.check(graph, replace(_NAMES, starting_ops=tuple(right)))


def test_a_second_input_of_a_detector_is_named_and_one_with_a_value_of_its_own_is_none() -> None:
    def with_inputs(*inputs: tf.Tensor) -> None:
        with tf.Graph().as_default() as graph:
            images = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images")
            start = tf.identity(tf.cast(images, tf.float32), name="start")
            end = tf.identity(_conv(start, "a"), name="end")
            for number, make in enumerate(inputs):
                end *= make(f"factor_{number}")
            tf.identity(end, name="boxes")
        boundaries.check_inputs(graph.as_graph_def(), _NAMES)

    def fed(name: str) -> tf.Tensor:
        return tf.placeholder(tf.float32, [], name=name)

    with_inputs()
    with_inputs(lambda name: tf.placeholder_with_default(1.0, [], name=name))
    with pytest.raises(GraphError, match=r"besides images \(images\) .* fed 'factor_0', and .* with a constant or"):
        with_inputs(fed)
    with pytest.raises(GraphError, match="fed 'factor_0', 'factor_1', and .* with constants or"):
        with_inputs(fed, fed)
