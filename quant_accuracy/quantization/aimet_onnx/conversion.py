"""From the network part of a frozen graph to an ONNX model, and from images to what the network takes."""

from typing import Any, Callable, Dict, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import quiet_import
from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing.predicates import PLACEHOLDERS
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.aimet_onnx.installation import AimetOnnx
from quant_accuracy.quantization.calibrate import Batch

# What tf2onnx 1.17 writes by default, said so that another version writes the same.
_OPSET = 15
_REMEDY = "name all ways into the network in starting_op of the model card, or use --backend builtin"

# What the starting ops give for one image, by tensor.
Starts = Dict[str, np.ndarray]


def cut_out(network: Network) -> tf.GraphDef:
    """The network alone: its starting ops are placeholders of one image.

    The size of a batch is fixed, so that shapes which follow from it are constants of the ONNX model.

    Raises:
        GraphError: The network also takes something that does not come from its starting ops.
    """
    starts = _placeholders(network)
    whole = tf.GraphDef(versions=network.graph.versions)
    for node in network.graph.node:
        whole.node.add().CopyFrom(starts.get(node.name, node))
    cut = graph_nodes.subgraph(whole, network.outputs)
    for node in cut.node:
        if node.op in PLACEHOLDERS and node.name not in starts:
            raise GraphError(f"the network takes {node.name!r} besides its starting ops; {_REMEDY}")
    return cut


def _placeholders(network: Network) -> Mapping[str, tf.NodeDef]:
    graph_nodes.require(network.nodes(), network.starts)
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(network.graph, name="")
    found = {}
    for name in network.starts:
        tensor = scope.get_tensor_by_name(f"{name}:0")
        node = tf.NodeDef(name=name, op="Placeholder")
        node.attr["dtype"].type = tensor.dtype.as_datatype_enum
        if tensor.shape.ndims:
            first = 1 if tensor.shape.as_list()[0] is None else tensor.shape.as_list()[0]
            sides = tf.TensorShape([first]).concatenate(tensor.shape[1:])
            node.attr["shape"].shape.CopyFrom(sides.as_proto())
        else:
            node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
        found[name] = node
    return found


def to_onnx(modules: AimetOnnx, cut: tf.GraphDef, network: Network) -> Any:
    """The ONNX model of a network that was cut out; its outputs stand in the order of the output ops."""
    with quiet_import.without_noise():
        model, _ = modules.tf2onnx.convert.from_graph_def(
            cut, input_names=[f"{name}:0" for name in network.starts],
            output_names=[f"{name}:0" for name in network.outputs], opset=_OPSET)
    return model


def preprocessing(network: Network) -> tf.GraphDef:
    """The part of the graph that leads to the starting ops."""
    return graph_nodes.subgraph(network.graph, list(network.starts))


def feeds(image_input: str, batches: Sequence[Batch]) -> List[Mapping[str, np.ndarray]]:
    """What preprocessing is fed, image by image; values by placeholder are taken as they are."""
    found: List[Mapping[str, np.ndarray]] = []
    for batch in batches:
        if isinstance(batch, Mapping):
            found.append({graph_nodes.tensor_of(name): values for name, values in batch.items()})
        else:
            found += [{graph_nodes.tensor_of(image_input): image[np.newaxis]} for image in batch]
    return found


def starting_tensors(run: Callable[[Sequence[str], Mapping[str, np.ndarray]], Sequence[np.ndarray]],
                     starts: Sequence[str], feed: Mapping[str, np.ndarray]) -> Starts:
    """What the starting ops give for one image.

    Args:
        run: Runs the preprocessing.
        starts: The starting ops.
        feed: The image.
    """
    tensors = [f"{name}:0" for name in starts]
    return {tensor: np.asarray(value) for tensor, value in zip(tensors, run(tensors, feed))}
