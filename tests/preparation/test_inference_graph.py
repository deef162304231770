"""Pipeline configurations of many kinds, built as inference graphs, and what is said of those that cannot be built."""

from pathlib import Path
from typing import Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.preparation import inference_graph, pipeline_config
from tests.support import detectors, lanes

pytestmark = lanes.needs_object_detection

_FIXED = ("fixed_shape_resizer {\n        height: 300\n        width: 300\n      }",
          "keep_aspect_ratio_resizer { min_dimension: 200 max_dimension: 400 }")


def _changed(folder: Path, name: str, *changes: Tuple[str, str]) -> Path:
    path = detectors.small_pipeline(name, folder)
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


def test_a_detector_whose_images_keep_their_aspect_ratio_counts_its_anchors_by_the_image(tmp_path: Path) -> None:
    path = _changed(tmp_path, "ssd_mobilenet_v1", _FIXED)
    image = np.random.RandomState(0).randint(0, 256, (1, 200, 300, 3)).astype(np.uint8)

    with tf.Graph().as_default(), tf.Session() as session:
        inference_graph.build(path, pipeline_config.load(path))
        session.run(tf.global_variables_initializer())
        wide, tall = (session.run("concat:0", {"image_tensor:0": pixels})
                      for pixels in (image, np.concatenate([image, image], 1)))
        boxes = session.run("detection_boxes:0", {"image_tensor:0": image})

    # Of 13 x 19 places in the first feature map three anchors each, six in the others, which halve it.
    assert wide.shape[1] == 3 * 13 * 19 + 6 * (7 * 10 + 4 * 5 + 2 * 3 + 1 * 2 + 1 * 1)
    assert tall.shape[1] != wide.shape[1]
    assert boxes.shape == (1, 100, 4)


@pytest.mark.parametrize(("name", "change", "message", "remedied"), [
    ("ssd_resnet50_fpn", ('type: "ssd_resnet50_v1_fpn"', 'type: "ssd_resnet50_fpn"'),
     "type is not one that it knows: did you mean 'ssd_resnet50_v1_fpn'", ("ssd_resnet50_fpn", "ssd_resnet50_v1_fpn")),
    ("ssd_mobilenet_v1_fpn", ("height: 192", "height: 200"), "a level of its feature pyramid is not twice as large .*"
     "multiples of 32", ("height: 200", "height: 224")),
    ("ssd_resnet50_fpn", ("min_depth: 16", "min_depth: 16 use_explicit_padding: true"),
     "Explicit padding is not a valid option.*name the pipeline.config of an SSD", ("use_explicit_padding: true", "")),
])
def test_what_cannot_be_built_says_why_and_a_remedy_that_works(tmp_path: Path, name: str, change: Tuple[str, str],
                                                               message: str, remedied: Tuple[str, str]) -> None:
    path = _changed(tmp_path, name, change)

    with tf.Graph().as_default(), pytest.raises(ConfigurationError, match=message):
        inference_graph.build(path, pipeline_config.load(path))

    path.write_text(path.read_text().replace(*remedied))
    with tf.Graph().as_default():
        inference_graph.build(path, pipeline_config.load(path))
