"""Postprocessing outside of the graph against the checkpoint's own ops."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection import postprocessing
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.settings.card import DataPaths, ModelCard


@pytest.mark.parametrize("variant", [FLOAT, QUANTIZED])
def test_detections_equal_those_of_the_checkpoints_own_ops(demo: DataPaths, demo_card: ModelCard,
                                                           demo_artifacts: Artifacts, variant: str) -> None:
    found = shard_files.find_shards(demo.dataset_dir, demo.pattern)
    pictures = np.concatenate(images.read_images(found, 6, 300, 300))
    graph = demo_artifacts.graph(variant)
    assert demo_artifacts.suppression is not None

    with open_detector(graph, demo_card.graph, demo_artifacts.suppression) as detect:
        ours = detect(pictures, {})
    with open_detector(graph, demo_card.graph, None) as detect:
        own = detect(pictures, {})

    for a, b in zip(ours, own):
        for mine, theirs in zip(a, b):
            np.testing.assert_array_equal(mine, theirs)


def test_a_graph_of_another_form_keeps_its_own_suppression() -> None:
    with tf.Graph().as_default() as graph:
        boxes = tf.placeholder(tf.float32, [None, 4])
        tf.image.non_max_suppression(boxes, tf.placeholder(tf.float32, [None]), 10)

    assert postprocessing.find(graph.as_graph_def()) is None
    assert postprocessing.find(tf.GraphDef()) is None
