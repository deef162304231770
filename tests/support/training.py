"""Small networks as their users train them: with a learning phase, or written for training alone."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

IMAGES = np.random.RandomState(0).normal(size=[2, 8, 8, 3]).astype(np.float32)
# A placeholder, None for the learning phase of Keras, or whether the graph is written for training.
_Phase = Any


class Trained(NamedTuple):
    """A checkpoint of a network `images` -> `end`, and what it gives for `IMAGES` in inference."""

    prefix: Path
    output: np.ndarray


PLACEHOLDER, LEARNING_PHASE = "placeholder", "learning phase of Keras"
DEFAULT_OF_TRUE, OPPOSITE = "default of True", "opposite"


def _placeholder() -> Tuple[_Phase, Mapping[tf.Tensor, bool]]:
    phase = tf.placeholder(tf.bool, [], name="phase/is_training")
    return phase, {phase: False}


def _default_of_true() -> Tuple[_Phase, Mapping[tf.Tensor, bool]]:
    phase = tf.placeholder_with_default(True, [], name="phase/is_training")
    return phase, {phase: False}


def _opposite() -> Tuple[_Phase, Mapping[tf.Tensor, bool]]:
    inferring = tf.placeholder(tf.bool, name="phase/is_inference")
    return tf.logical_not(inferring), {inferring: True}


# Each gives what is True for training, and what is fed to infer.
_PHASES: Mapping[str, Callable[[], Tuple[_Phase, Mapping[tf.Tensor, bool]]]] = {
    PLACEHOLDER: _placeholder, LEARNING_PHASE: lambda: (None, {}), DEFAULT_OF_TRUE: _default_of_true,
    OPPOSITE: _opposite}


def _keras(images: tf.Tensor, phase: _Phase, fused: bool = True) -> tf.Tensor:
    layers = tf.keras.layers
    with tf.name_scope("outer"):
        x = layers.Conv2D(4, 3, name="conv")(images)
        x = layers.BatchNormalization(fused=fused, name="norm")(x, training=phase)
        with tf.name_scope("inner"):
            x = layers.DepthwiseConv2D(3, use_bias=False, name="deep")(layers.ReLU()(x))
            x = layers.BatchNormalization(fused=fused, scale=False, name="norm_1")(x, training=phase)
    x = x if phase is True else layers.Dropout(0.5)(x, training=phase)
    return layers.Dense(5, name="dense")(layers.Flatten()(x))


def _tf_layers(images: tf.Tensor, phase: _Phase, fused: bool = True) -> tf.Tensor:
    x = tf.layers.batch_normalization(images, training=phase, fused=fused)
    for name in ("first", "second"):
        with tf.variable_scope(name):
            x = tf.layers.conv2d(x, 4, 3, use_bias=False)
            x = tf.nn.relu6(tf.layers.batch_normalization(x, training=phase, fused=fused))
            x = x if phase is True else tf.layers.dropout(x, 0.5, training=phase)
    return tf.layers.conv2d(x, 5, 1)


def _slim(images: tf.Tensor, phase: _Phase, fused: bool = True, **settings: Any) -> tf.Tensor:
    from tests.support.slim import slim

    with slim.arg_scope([slim.batch_norm], is_training=phase, fused=fused, **settings), \
            slim.arg_scope([slim.conv2d, slim.separable_conv2d], normalizer_fn=slim.batch_norm):
        x = slim.conv2d(images, 4, 3, scope="Conv")
        x = slim.separable_conv2d(x, None, 3, 1, scope="Deep")
        x = x if phase is True else slim.dropout(x, is_training=phase)
        return slim.conv2d(x, 5, 1, normalizer_fn=None, scope="Logits")


def _in_place(images: tf.Tensor, phase: _Phase) -> tf.Tensor:
    """The moving averages are updated before the outputs are there."""
    return _slim(images, phase, updates_collections=None)


def _unfused(builder: Callable[..., tf.Tensor]) -> Callable[[tf.Tensor, _Phase], tf.Tensor]:
    return lambda images, phase: builder(images, phase, fused=False)


def _computed(images: tf.Tensor, phase: _Phase) -> tf.Tensor:
    """Predicates that are computed, nested, and in a loop; a branch that the images decide."""
    training = tf.logical_and(tf.logical_not(tf.logical_not(phase)), tf.reduce_sum(images) > -1e9)
    weights = tf.get_variable("weights", [3], use_resource=True)
    gain = tf.get_variable("gain", [3], use_resource=False)

    def inner() -> tf.Tensor:
        return tf.cond(tf.identity(training), lambda: tf.random.normal([3]), lambda: weights * [1.0, 2.0, 3.0])

    x = images * tf.cond(tf.equal(tf.cast(phase, tf.int32), 0), inner, lambda: tf.zeros([3]))
    x *= tf.cond(tf.reduce_mean(images) > 0, lambda: gain * inner(), lambda: weights + inner())
    x = tf.map_fn(lambda image: tf.cond(training, lambda: image * 0.0, lambda: image + weights), x)
    return tf.where(phase, tf.zeros_like(x), x)


WITH_PHASE: Dict[str, Callable[[tf.Tensor, _Phase], tf.Tensor]] = {
    "keras": _keras, "keras in plain ops": _unfused(_keras), "tf.layers": _tf_layers,
    "tf.layers in plain ops": _unfused(_tf_layers), "slim": _slim, "slim in plain ops": _unfused(_slim),
    "slim, updates in place": _in_place, "computed predicates": _computed}
FOR_TRAINING = {name: builder for name, builder in WITH_PHASE.items() if name != "computed predicates"}


def with_phase(folder: Path, name: str, kind: str = PLACEHOLDER) -> Trained:
    """A network with a phase of some kind."""
    with tf.Graph().as_default(), tf.Session() as session:
        images = _images()
        phase, told = _PHASES[kind]()
        end = tf.identity(WITH_PHASE[name](images, phase), name="end")
        _randomize(session)
        return Trained(_save(session, folder), session.run(end, {images: IMAGES, **told}))


def for_training(folder: Path, name: str) -> Trained:
    """A network that is written for training; without dropout, whose chance no moving average takes away.

    What it should give is computed by the network that the same code writes for inference.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        tf.identity(FOR_TRAINING[name](_images(), True), name="end")
        _randomize(session)
        prefix = _save(session, folder)
    with tf.Graph().as_default(), tf.Session() as session:
        images = _images()
        end = FOR_TRAINING[name](images, False)
        tf.train.Saver().restore(session, str(prefix))
        return Trained(prefix, session.run(end, {images: IMAGES}))


def _images() -> tf.Tensor:
    return tf.placeholder(tf.float32, [None, 8, 8, 3], name="images")


def _randomize(session: tf.Session) -> None:
    """Values that no initializer gives, moving averages included; all positive, as variances have to be."""
    session.run(tf.global_variables_initializer())
    random = np.random.RandomState(1)
    for variable in tf.global_variables():
        if variable.dtype.base_dtype == tf.float32:
            variable.load(random.uniform(0.3, 1.5, variable.shape.as_list()).astype(np.float32), session)


def _save(session: tf.Session, folder: Path) -> Path:
    return Path(tf.train.Saver().save(session, str(folder / "model.ckpt")))


def outputs_of(graph: tf.GraphDef, tensors: List[str], feed: Mapping[str, np.ndarray]) -> List[np.ndarray]:
    """What TensorFlow computes."""
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(graph, name="")
    with tf.Session(graph=scope) as session:
        found: List[np.ndarray] = session.run(tensors, feed)
        return found
