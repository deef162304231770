"""Graphs against what a model card says of them: what images they take."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.demo import ready
from quant_accuracy.detection import detector
from quant_accuracy.freezing import load
from quant_accuracy.graph import image_input, sessions
from quant_accuracy.preparation import checkpoint
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.card_fields import ORIGINAL_SIZE
from tests.support import lanes

_CONFIG = ready.PIPELINE_CONFIG
_TRAINED = ready.CHECKPOINT
_NAMES = GraphNames("images", ("start",), ("end",), ("boxes", "boxes", "boxes", "boxes"))


@pytest.mark.parametrize(("shape", "dtype", "size", "batch", "message"), [
    ([None, None, None, 3], tf.uint8, (300, 300), 4, None),
    (None, tf.uint8, (300, 300), 1, None),
    ([1, 300, 400, 3], tf.uint8, (300, 400), 1, None),
    ([None, None, None, 3], tf.float32, (300, 300), 1, None),
    ([1, 300, 300, 3], tf.uint8, (300, 300), 4, "takes 1 image at a time.*leave --eval-batch-size out"),
    ([4, 300, 300, 3], tf.uint8, (300, 300), 4, "takes 4 images at once.*export-checkpoint"),
    ([None, 320, 320, 3], tf.uint8, (300, 300), 1, "says 300x300.*set input: {height: 320, width: 320} in the"),
    ([None, None, 400, 3], tf.uint8, (300, 300), 1, "set input: {height: 300, width: 400} in the model card"),
    ([None, 3, 300, 300], tf.uint8, (300, 300), 1, "channels come first"),
    ([None, 300, 300, 1], tf.uint8, (300, 300), 1, "images have 1 channels"),
    ([300, 300, 3], tf.uint8, (300, 300), 1, r"and not \[batch, height, width, 3\]"),
    ([None, None, None, 3], tf.bool, (300, 300), 1, "takes values of type bool"),
])
def test_a_placeholder_is_checked_against_the_card(shape: Any, dtype: tf.DType, size: Tuple[int, int], batch: int,
                                                   message: Optional[str]) -> None:
    with tf.Graph().as_default() as graph:
        given = tf.cast(tf.placeholder(dtype, shape, name="images"), tf.float32) / 128.0
        tf.exp(tf.identity(tf.identity(given, name="start"), name="end"), name="boxes")
    found = image_input.describe(graph.as_graph_def(), _NAMES)

    if message is None:
        image_input.check(found, _NAMES, *size, batch)
    else:
        with pytest.raises(GraphError, match=message):
            image_input.check(found, _NAMES, *size, batch)


def test_a_graph_that_takes_text_or_normalized_images_says_so() -> None:
    with tf.Graph().as_default() as graph:
        text = tf.placeholder(tf.string, [None], name="encoded_image_string_tensor")
        decoded = tf.map_fn(lambda one: tf.image.decode_jpeg(one, channels=3), text, tf.uint8)
        tf.identity(tf.identity(tf.cast(decoded, tf.float32) / 128.0, name="start"), name="end")
        normalized = tf.nn.relu(tf.placeholder(tf.float32, [1, 300, 300, 3], name="normalized"), name="start_2")
        tf.identity(normalized, name="end_2")
    definition = graph.as_graph_def()

    names = replace(_NAMES, image_input="encoded_image_string_tensor")
    with pytest.raises(GraphError, match="takes encoded images or examples as text.*export-checkpoint"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)
    names = replace(_NAMES, image_input="normalized", starting_ops=("start_2",), output_ops=("end_2",))
    with pytest.raises(GraphError, match="'normalized' takes float32, and nothing before the first weights scales it"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)
    names = replace(_NAMES, image_input="truediv/y")
    with pytest.raises(GraphError, match="'truediv/y' is not a placeholder"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)


def _resized(images: tf.Tensor, size: Any) -> tf.Tensor:
    return tf.image.resize_bilinear(images, size)


def _half(images: tf.Tensor) -> tf.Tensor:
    return _resized(images, tf.shape(images)[1:3] // 2)


@pytest.mark.parametrize(("large", "small", "size", "message"), [
    (lambda x: _resized(x, [96, 64]), lambda x: _resized(x, [48, 32]), (96, 64), "set input: {height: 96, width: 64}"),
    (lambda x: _resized(x, [96, 64]), lambda x: _resized(_resized(x, [96, 64]), [48, 32]), (96, 64), "96x64"),
    (lambda x: _resized(x, [96, 64]), lambda x: _half(_resized(x, [96, 64])), (96, 64), "96x64"),
    # Images are taken as they are given, whatever a part of the network makes of them.
    (lambda x: x, lambda x: _resized(x, [48, 32]), (48, 32), None),
    # No size is right for images whose aspect ratio is kept.
    (_half, lambda x: _resized(x, [48, 32]), None, "resizes each image by its aspect ratio"),
])
def test_of_several_scales_of_the_images_the_largest_is_that_of_the_card(
        large: Callable[[tf.Tensor], tf.Tensor], small: Callable[[tf.Tensor], tf.Tensor],
        size: Optional[Tuple[int, int]], message: Optional[str]) -> None:
    with tf.Graph().as_default() as graph:
        pixels = tf.cast(tf.placeholder(tf.uint8, [None, None, None, 3], name="images"), tf.float32) / 128.0
        scales = [tf.reduce_mean(tf.identity(make(pixels), name=name), [1, 2])
                  for name, make in (("large", large), ("small", small))]
        tf.exp(tf.add_n(scales, name="end"), name="boxes")
    for starts in (("large", "small"), ("small", "large")):
        names = replace(_NAMES, starting_ops=starts)
        found = image_input.describe(graph.as_graph_def(), names)
        if message is not None:
            with pytest.raises(GraphError, match=message):
                image_input.check(found, names, 48, 32, 1)
        if size is not None:
            image_input.check(found, names, *size, 1)


@pytest.fixture(scope="module")
def by_aspect_ratio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, exported with another resizer in its pipeline.config."""
    folder = tmp_path_factory.mktemp("exported")
    resizer = "keep_aspect_ratio_resizer { min_dimension: 300 max_dimension: 300 pad_to_max_dimension: true }"
    text = re.sub(r"fixed_shape_resizer\s*{[^}]*}", resizer, _CONFIG.read_text(encoding="utf-8"))
    assert resizer in text
    (folder / "pipeline.config").write_text(text, encoding="utf-8")
    return checkpoint.export(folder / "pipeline.config", _TRAINED, folder / "out").prefix


def _change(prefix: Path, op: str, change: Callable[[tf.NodeDef], None]) -> None:
    """Change an op in the graph of a checkpoint."""
    path = Path(f"{prefix}.meta")
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    (node,) = [node for node in meta.graph_def.node if node.name == op]
    change(node)
    for other in meta.graph_def.node:
        # What exporters note of shapes, and TensorFlow checks.
        other.attr.pop("_output_shapes", None)
    path.write_bytes(meta.SerializeToString())


@pytest.fixture
def few(demo_card: ModelCard) -> ModelCard:
    return replace(demo_card, calibration_images=2)


def test_a_graph_that_resizes_to_another_size_is_refused_until_the_card_says_so(
        demo_copy: DataPaths, few: ModelCard, tmp_path: Path) -> None:
    # What an export with another fixed_shape_resizer differs in.
    _change(demo_copy.checkpoint, "Preprocessor/map/while/ResizeImage/stack", lambda node:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array([288, 320], np.int32))))
    found, cache = shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern), Cache(tmp_path / "cache")

    # The second time the graph is in the cache already.
    for _ in range(2):
        with pytest.raises(GraphError, match="resizes images to 288x320 .*300x300; set input: {height: 288, width: 3"):
            build.build(few, demo_copy.checkpoint, found, cache)

    graph = load.load_network(demo_copy.checkpoint, few.graph)
    image_input.check(image_input.describe(graph, few.graph), few.graph, 288, 320, 1)


@lanes.needs_object_detection
def test_a_graph_that_keeps_the_aspect_ratio_gets_images_as_they_are(
        by_aspect_ratio: Path, few: ModelCard, demo: DataPaths, tmp_path: Path) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)
    with pytest.raises(GraphError, match="by its aspect ratio.*set input: {resize: false} in the model card instead"):
        build.build(few, by_aspect_ratio, found, Cache(tmp_path))
    original = replace(few, height=ORIGINAL_SIZE, width=ORIGINAL_SIZE)
    with pytest.raises(GraphError, match="leave --eval-batch-size out"):
        build.build(original, by_aspect_ratio, found, Cache(tmp_path), batch_size=2)

    built = build.build(original, by_aspect_ratio, found, Cache(tmp_path))

    # An oracle of its own: the exported graph on the decoded images.
    frozen = tf.GraphDef.FromString((by_aspect_ratio.parent / "frozen_inference_graph.pb").read_bytes())
    by_size = {batch.images.shape: batch for _, batch in zip(range(9), images.stream(found, 1, 0, 0))}
    shown = list(by_size.values())[:2]
    assert len(shown) == 2
    with sessions.open_session(frozen) as session, \
            detector.open_detector(built.graph(FLOAT), original.graph, built.suppression) as detect:
        for batch in shown:
            assert batch.images.shape[1:3] == tuple(batch.sizes[0])
            boxes, scores, _, count = session.run([f"{name}:0" for name in original.graph.detections],
                                                  {"image_tensor:0": batch.images})
            (ours,) = detect(batch.images, {})
            np.testing.assert_allclose(ours.scores, scores[0, :int(count[0])], atol=1e-4)
            np.testing.assert_allclose(ours.boxes[:20], boxes[0, :20], atol=1e-3)


def test_a_graph_for_one_image_at_a_time_refuses_larger_batches_before_anything_is_evaluated(
        demo_copy: DataPaths, few: ModelCard, tmp_path: Path) -> None:
    _change(demo_copy.checkpoint, "image_tensor", lambda node: node.attr["shape"].shape.CopyFrom(
        tf.TensorShape([1, 300, 300, 3]).as_proto()))
    found = shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)

    with pytest.raises(GraphError, match="takes 1 image at a time, and --eval-batch-size is 4; leave --eval-batch"):
        build.build(few, demo_copy.checkpoint, found, Cache(tmp_path / "cache"), batch_size=4)
    assert not list((tmp_path / "cache").glob("quantsim/*"))
