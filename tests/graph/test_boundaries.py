"""Graphs against what a model card says of them: where the network begins and ends, what images it takes."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.demo import ready
from quant_accuracy.detection import detector
from quant_accuracy.graph import boundaries, image_input, load, sessions
from quant_accuracy.preparation import checkpoint
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths, ModelCard

_CONFIG, _TRAINED = ready.PIPELINE_CONFIG, ready.TRAINED
_FIRST = "FeatureExtractor/MobilenetV2/Conv/Conv2D"
_START = "starting_op: FeatureExtractor/MobilenetV2/MobilenetV2/input"
_ENDS = "output_ops: [concat, concat_1]"


@pytest.fixture(scope="module")
def demo_graph(demo: DataPaths) -> tf.GraphDef:
    """The graph of the demo's checkpoint, variables and savers included."""
    return tf.MetaGraphDef.FromString(Path(f"{demo.checkpoint}.meta").read_bytes()).graph_def


@pytest.mark.parametrize("changes", [
    {}, {"starting_op": "Preprocessor/sub"},
    {"output_ops": ("concat_1", "concat")}, {"output_ops": ("Squeeze", "concat_1")},
])
def test_names_that_take_in_all_weights_are_accepted(demo_graph: tf.GraphDef, demo_card: ModelCard,
                                                     changes: Dict[str, Any]) -> None:
    boundaries.check(demo_graph, replace(demo_card.graph, **changes))


@pytest.mark.parametrize(("changes", "what", "remedy"), [
    ({"starting_op": "FeatureExtractor/MobilenetV2/Conv/Relu6"}, f"those of {_FIRST} would get no quantizer", _START),
    ({"starting_op": _FIRST}, f"those of {_FIRST} would", _START),
    ({"starting_op": "FeatureExtractor/MobilenetV2/expanded_conv/depthwise/Relu6"}, f"{_FIRST}, .*depthwise", _START),
    ({"starting_op": "detection_boxes"}, f"{_FIRST}, .*and 69 more", _START),
    ({"starting_op": "Cast"}, "takes in the loop of the preprocessor that resizes images .Preprocessor/map", _START),
    ({"starting_op": "image_tensor"}, "takes in the loop of the preprocessor", _START),
    # Spelled nearly as an op behind the first convolution.
    ({"starting_op": "FeatureExtractor/MobilenetV2/Conv/Relu"}, "no op 'Feat", _START),
    ({"starting_op": "input"}, "no op 'input'", _START),
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


_NAMES = GraphNames("images", "start", ("end",), ("boxes", "boxes", "boxes", "boxes"))


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
        boundaries.check(graph, replace(_NAMES, starting_op="begin"))


def test_of_two_first_convolutions_the_op_that_feeds_both_is_suggested() -> None:
    graph = _detector(lambda x: x / 128.0, lambda x: _conv(x * 2.0, "a") + _conv(x * 3.0, "b"))

    with pytest.raises(GraphError, match="those of a/Conv2D would get no quantizer; set starting_op: start in"):
        boundaries.check(graph, replace(_NAMES, starting_op="mul_1"))


@pytest.mark.parametrize(("shape", "dtype", "size", "batch", "message"), [
    ([None, None, None, 3], tf.uint8, (300, 300), 4, None),
    (None, tf.uint8, (300, 300), 1, None),
    ([1, 300, 400, 3], tf.uint8, (300, 400), 1, None),
    ([None, None, None, 3], tf.float32, (300, 300), 1, None),
    ([1, 300, 300, 3], tf.uint8, (300, 300), 4, "takes 1 image at a time.*leave --eval-batch-size out"),
    ([4, 300, 300, 3], tf.uint8, (300, 300), 4, "takes 4 images at once.*tools/export_checkpoint.py"),
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
    with pytest.raises(GraphError, match="takes encoded images or examples as text.*tools/export_checkpoint.py"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)
    names = replace(_NAMES, image_input="normalized", starting_op="start_2", output_ops=("end_2",))
    with pytest.raises(GraphError, match="'normalized' takes float32, and nothing before the first weights scales it"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)
    names = replace(_NAMES, image_input="truediv/y")
    with pytest.raises(GraphError, match="'truediv/y' is no placeholder"):
        image_input.check(image_input.describe(definition, names), names, 300, 300, 1)


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


def test_a_graph_that_keeps_the_aspect_ratio_gets_images_as_they_are(
        by_aspect_ratio: Path, few: ModelCard, demo: DataPaths, tmp_path: Path) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)
    with pytest.raises(GraphError, match="by its aspect ratio.*set input: {resize: false} in the model card instead"):
        build.build(few, by_aspect_ratio, found, Cache(tmp_path))
    original = replace(few, height=card.ORIGINAL_SIZE, width=card.ORIGINAL_SIZE)
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


def test_a_card_may_leave_images_as_they_are(tmp_path: Path) -> None:
    text = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    wanted = "input: {height: 300, width: 300}"
    (tmp_path / "card.yaml").write_text(text.replace(wanted, "input: {resize: false}"), encoding="utf-8")
    (tmp_path / "both.yaml").write_text(text.replace(wanted, "input: {resize: false, height: 300}"), encoding="utf-8")

    found = card.load(str(tmp_path / "card.yaml"))

    assert (found.height, found.width) == (0, 0)
    assert images.preprocessing(found.height, found.width) != images.PREPROCESSING
    with pytest.raises(ConfigurationError, match="input.resize is false beside height or width"):
        card.load(str(tmp_path / "both.yaml"))


def test_a_graph_for_one_image_at_a_time_refuses_larger_batches_before_anything_is_evaluated(
        demo_copy: DataPaths, few: ModelCard, tmp_path: Path) -> None:
    _change(demo_copy.checkpoint, "image_tensor", lambda node: node.attr["shape"].shape.CopyFrom(
        tf.TensorShape([1, 300, 300, 3]).as_proto()))
    found = shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)

    with pytest.raises(GraphError, match="takes 1 image at a time, and --eval-batch-size is 4; leave --eval-batch"):
        build.build(few, demo_copy.checkpoint, found, Cache(tmp_path / "cache"), batch_size=4)
    assert not list((tmp_path / "cache").glob("quantsim/*"))


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


@pytest.mark.parametrize(("quantized", "what"), [
    (lambda x: tf.quantization.fake_quant_with_min_max_args(x), "1 op such as the FakeQuantWithMinMaxArgs"),
    (lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(x, [0.0] * 3, [1.0] * 3), "PerChannel"),
    (lambda x: tf.quantization.quantize_and_dequantize(x, 0.0, 1.0), "QuantizeAndDequantize"),
    (lambda x: tf.quantization.dequantize(tf.quantization.quantize(x, 0.0, 1.0, tf.quint8).output, 0.0, 1.0),
     "integer kernels: 2 ops"),
])
def test_graphs_that_are_quantized_already_are_refused(quantized: Callable[[tf.Tensor], tf.Tensor], what: str,
                                                       tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.get_variable("weights", [2, 3])
        tf.identity(quantized(x), name="end")
        tf.identity(x, name="float_end")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    with pytest.raises(GraphError, match=what):
        load.load_frozen(tmp_path / "model.ckpt", ["end"])
    assert load.load_frozen(tmp_path / "model.ckpt", ["float_end"])
