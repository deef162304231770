"""What the networks are made of: a declaration for each, and the layers that most of them have."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Union

import tensorflow.compat.v1 as tf

Tensor = Any
keras = tf.keras.layers


class Ends(NamedTuple):
    """Where a network starts and ends.

    Attributes:
        outputs: Its output tensors, in the order in which they are named to AIMET.
        starts: Its starting ops; without them, its placeholders that are no switches, as they were made.
    """

    outputs: Sequence[Tensor]
    starts: Optional[Sequence[str]] = None


Built = Union[Tensor, Sequence[Tensor], Ends]


@dataclass(frozen=True)
class ZooNetwork:
    """A network of the zoo.

    Attributes:
        name: Its name.
        contains: What is in it, in a few words.
        build: Builds it into the default graph.
        learning_phase: What Keras' learning phase is set to; None leaves it a placeholder.
    """

    name: str
    contains: str
    build: Callable[[], Built]
    learning_phase: Optional[int]


def network(contains: str, learning_phase: Optional[int] = 0) -> Callable[[Callable[[], Built]], ZooNetwork]:
    """Declare a network; the function's name is its name."""
    def declared(build: Callable[[], Built]) -> ZooNetwork:
        return ZooNetwork(build.__name__, contains, build, learning_phase)
    return declared


def declared_in(module: ModuleType) -> Dict[str, ZooNetwork]:
    """The networks that a module declares, by name, in its order."""
    found: List[ZooNetwork] = [value for value in vars(module).values() if isinstance(value, ZooNetwork)]
    return {item.name: item for item in found}


def image(size: int = 16, channels: int = 3, name: str = "image") -> Tensor:
    """A placeholder of images."""
    return tf.placeholder(tf.float32, [None, size, size, channels], name=name)


def keras_image(size: int = 16, channels: int = 3, name: Optional[str] = None) -> Tensor:
    """An input of Keras."""
    return tf.keras.Input(shape=(size, size, channels), name=name)


def conv(x: Tensor, channels: int = 4, kernel: int = 3, **options: Any) -> Tensor:
    """A convolution of Keras, with a bias unless it is said to have none."""
    return keras.Conv2D(channels, kernel, **options)(x)


def depthwise(x: Tensor, kernel: int = 3, **options: Any) -> Tensor:
    """A depthwise convolution of Keras."""
    return keras.DepthwiseConv2D(kernel, **options)(x)


def transposed(x: Tensor, channels: int = 4, kernel: int = 3, **options: Any) -> Tensor:
    """A transposed convolution of Keras."""
    return keras.Conv2DTranspose(channels, kernel, **options)(x)


def norm(x: Tensor, training: Union[bool, Tensor, None] = None, **options: Any) -> Tensor:
    """A batch norm of Keras; `training` is what it is called with."""
    layer = keras.BatchNormalization(**options)
    return layer(x) if training is None else layer(x, training=training)


def add(x: Tensor, y: Tensor) -> Tensor:
    """An Add, as `tf.add` of TensorFlow 1 writes it; that of TensorFlow 2 writes an AddV2, as `+` does."""
    return tf.raw_ops.Add(x=x, y=y)


def variable(name: str, *shape: int, resource: Optional[bool] = None) -> Tensor:
    """A variable of its own."""
    return tf.get_variable(name, shape, use_resource=resource)


def head(x: Tensor, units: int = 3, name: str = "head") -> Tensor:
    """The end of a classifier."""
    return keras.Dense(units, activation=tf.nn.softmax, name=name)(keras.Flatten()(x))
