"""What a graph takes as its images and does to them itself, against what a model card says that they are.

The suite gives uint8 pixels of one size, [batch, height, width, 3]. A graph of the Object Detection API resizes once
more; to the same size that changes nothing. Or it gives each image as it is, one by one, and the graph alone resizes:
that is what a network needs that was trained on images of their own aspect ratio.
"""

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import arithmetic
from quant_accuracy.graph import nodes as graph_nodes

_RESIZES = {"ResizeBilinear": 1, "ResizeNearestNeighbor": 1, "ResizeBicubic": 1, "ResizeArea": 1,
            "QuantizedResizeBilinear": 1, "ScaleAndTranslate": 1, "CropAndResize": 3}
_SCALING = ("Mul", "Sub", "RealDiv", "Div", "Add", "AddV2", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_PIXELS = ("uint8",)
_NUMBERS = ("float32", "float16", "float64", "int32", "int64")
_EXPORT = f"export the checkpoint anew with {invocation.EXPORT}, whose graph takes"


@dataclass(frozen=True)
class ImageInput:
    """What a graph takes as images, and does to them before the network.

    Attributes:
        placeholder: Whether the images are fed, and not computed from something else.
        dtype: TensorFlow's name of the type.
        shape: Sides, None for any; None where not even their number is known.
        resize: The op that resizes the images last; empty where none does.
        size: Height and width to which it does, where they do not depend on the image.
        scaled: Whether the graph itself scales pixels to the range that its first weights take.
    """

    placeholder: bool
    dtype: str
    shape: Optional[Sequence[Optional[int]]]
    resize: str = ""
    size: Optional[Sequence[int]] = None
    scaled: bool = False


def describe(graph: tf.GraphDef, names: GraphNames) -> ImageInput:
    """Read from a frozen graph what it takes as images.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes = graph_nodes.by_name(graph)
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(graph_nodes.subgraph(graph, [names.image_input]), name="")
    tensor = scope.get_tensor_by_name(f"{names.image_input}:0")
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    feeds = graph_nodes.needed(nodes, [names.image_input])
    placeholder = any(nodes[name].op.startswith("Placeholder") for name in feeds)
    last, size = _resize(graph, names)
    return ImageInput(placeholder, tensor.dtype.base_dtype.name, shape, last, size, _scales(graph, names))


def _resize(graph: tf.GraphDef, names: GraphNames) -> Tuple[str, Optional[Tuple[int, int]]]:
    """The op that resizes images last, and to which size; of several scales of the images the largest counts."""
    found: List[Tuple[str, Optional[Tuple[int, int]]]] = []
    for start in names.starting_ops:
        before = graph_nodes.between(graph, [names.image_input], [start]) if start != names.image_input else []
        resizes = [(node.name, _size(graph, node)) for node in before if node.op in _RESIZES]
        if not resizes:
            return "", None
        # Behind a fixed size every other one is fixed, too.
        found.append(([item for item in resizes if item[1] is not None] or resizes)[-1])
    # One that keeps the aspect ratio has no size that images could be given in.
    return max(found, key=lambda item: np.inf if item[1] is None else item[1][0] * item[1][1])


def _size(graph: tf.GraphDef, resize: tf.NodeDef) -> Optional[Tuple[int, int]]:
    try:
        value = arithmetic.value(graph_nodes.by_name(graph), resize.input[_RESIZES[resize.op]])
    except GraphError:
        return None
    return (int(value[0]), int(value[1])) if value.shape == (2,) else None


def _scales(graph: tf.GraphDef, names: GraphNames) -> bool:
    """Whether there is arithmetic on real numbers before the first weights."""
    for node in graph_nodes.between(graph, [names.image_input], names.output_ops):
        if node.op in graph_nodes.LINEAR:
            return False
        if node.op in _SCALING and "T" in node.attr and node.attr["T"].type == tf.float32.as_datatype_enum:
            return True
    return False


def check(found: ImageInput, names: GraphNames, height: int, width: int, batch_size: int) -> None:
    """Check that a graph takes the images that it would be given.

    Args:
        found: What the graph takes.
        names: Its ops.
        height: Of the model card; 0 where images are given as they are.
        width: Of the model card; 0 likewise.
        batch_size: Images at once.

    Raises:
        GraphError: It does not; the message says what to change.
    """
    name = names.image_input
    if not found.placeholder:
        raise GraphError(f"the image input {name!r} is not a placeholder; set image_input in the model card to the one "
                         "that takes images")
    if found.dtype == "string":
        raise GraphError(f"{name!r} takes encoded images or examples as text, and not pixels; {_EXPORT} image_tensor")
    if found.dtype not in (*_PIXELS, *_NUMBERS):
        raise GraphError(f"{name!r} takes values of type {found.dtype}, and not pixels; {_EXPORT} image_tensor")
    if found.dtype not in _PIXELS and not found.scaled:
        raise GraphError(f"{name!r} takes {found.dtype}, and nothing before the first weights scales it: the graph "
                         f"wants images that are normalized already, and is given pixels from 0 to 255; {_EXPORT} "
                         "image_tensor and normalizes by itself")
    if found.shape is not None:
        _check_shape(found.shape, name, height, width, batch_size)
    if not height:
        _check_original(found, name, batch_size)
    elif found.resize and found.size is None:
        raise GraphError(
            f"the graph's own preprocessor ({found.resize}) resizes each image by its aspect ratio, and would be given "
            f"images that were squeezed to {height}x{width}, which is not what the network was trained on; "
            "set input: {resize: false} in the model card instead of height and width")
    elif found.size is not None and tuple(found.size) != (height, width):
        raise GraphError(f"the graph's own preprocessor ({found.resize}) resizes images to "
                         f"{found.size[0]}x{found.size[1]} (height x width), the model card says {height}x{width}; "
                         f"{_card_lines(found.size[0], found.size[1])}")


def _check_original(found: ImageInput, name: str, batch_size: int) -> None:
    if not found.resize:
        raise GraphError("nothing in the graph resizes images before the network, and the model card says "
                         "input: {resize: false}; give height and width there instead")
    if found.shape is not None and (found.shape[1] or found.shape[2]):
        raise GraphError(f"{name!r} takes images of {found.shape[1]}x{found.shape[2]} (height x width) only, and the "
                         f"model card says input: {{resize: false}}; {_card_lines(found.shape[1], found.shape[2])}")
    if batch_size != 1:
        raise GraphError("images that are not resized are of several sizes (input: {resize: false} in the model card), "
                         f"and --eval-batch-size is {batch_size}; leave --eval-batch-size out")


def _check_shape(shape: Sequence[Optional[int]], name: str, height: int, width: int, batch_size: int) -> None:
    text = f"{name!r} has the shape [{', '.join('any' if side is None else str(side) for side in shape)}]"
    if len(shape) != 4:
        raise GraphError(f"{text}, and not [batch, height, width, 3]; {_EXPORT} image_tensor")
    if shape[3] not in (3, None):
        order = "channels come first" if shape[1] == 3 else f"images have {shape[3]} channels"
        raise GraphError(f"{text}: its {order}, and not 3 of them last; {_EXPORT} image_tensor of "
                         "[batch, height, width, 3]")
    if height and (shape[1] not in (height, None) or shape[2] not in (width, None)):
        raise GraphError(f"{text}, the model card says {height}x{width} (height x width); "
                         f"{_card_lines(shape[1] or height, shape[2] or width)}")
    if shape[0] is not None and shape[0] > 1:
        raise GraphError(f"{text}: it takes {shape[0]} images at once and no other number, but images are also "
                         f"calibrated one by one, and shards have a rest; {_EXPORT} any number")
    if shape[0] == 1 and batch_size != 1:
        raise GraphError(f"{text}: it takes 1 image at a time, and --eval-batch-size is {batch_size}; leave "
                         "--eval-batch-size out")


def _card_lines(height: Optional[int], width: Optional[int]) -> str:
    return f"set input: {{height: {height}, width: {width}}} in the model card"
