"""What a detector refuses to take for detections."""

from typing import Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.detection import detector

_IMAGE = np.zeros([1, 4, 4, 3], np.uint8)


def test_scores_that_are_not_numbers_are_an_error_and_no_missing_detections() -> None:
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.uint8, [None, 4, 4, 3], name="image_tensor")
        brightest = tf.reduce_max(tf.cast(images, tf.float32), axis=[1, 2, 3])
        tf.reshape(brightest / brightest, [-1, 1], name="detection_scores")
        tf.zeros([tf.shape(images)[0], 1, 4], name="detection_boxes")
        tf.ones([tf.shape(images)[0], 1], name="detection_classes")
        tf.ones([tf.shape(images)[0]], name="num_detections")
    names = GraphNames("image_tensor", ("start",), ("out",),
                       ("detection_boxes", "detection_scores", "detection_classes", "num_detections"))
    with detector.open_detector(graph.as_graph_def(), names, None, label="the quantized graph") as detect:
        assert [found.scores.tolist() for found in detect(np.ones([2, 4, 4, 3], np.uint8), {})] == [[1.0], [1.0]]
        with pytest.raises(GraphError, match="the quantized graph: detection_scores:0 is NaN for 1 of 2 images"):
            detect(np.concatenate([_IMAGE, np.ones_like(_IMAGE)]), {})


@pytest.mark.parametrize(("order", "message"), [
    ((1, 0, 2, 3), r"detection_scores has the shape \[1, 1\], not \[1, 1, 4\]"),
    ((0, 1, 3, 2), r"num_detections has the shape \[1\], not \[1, 1\]"),
])
def test_outputs_that_the_card_confuses_are_named(order: Tuple[int, ...], message: str) -> None:
    shapes = {"detection_boxes": [1, 1, 4], "detection_scores": [1, 1], "detection_classes": [1, 1],
              "num_detections": [1]}
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.uint8, [None, 4, 4, 3], name="image_tensor")
        for name, shape in shapes.items():
            tf.ones(shape, name=name)
    boxes, scores, classes, count = (list(shapes)[index] for index in order)
    names = GraphNames("image_tensor", ("start",), ("out",), (boxes, scores, classes, count))

    with detector.open_detector(graph.as_graph_def(), names, None) as detect, \
            pytest.raises(GraphError, match=f"{message}; correct detections in the model card"):
        detect(_IMAGE, {})
