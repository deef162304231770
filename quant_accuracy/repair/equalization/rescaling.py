"""The graph of a network whose spaces are scaled: kernels, biases and clips, everything else as it was."""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.repair.equalization import kernels, layers
from quant_accuracy.repair.equalization.spaces import Space, Spaces

_SIX = np.float32(6)


def rescale(graph: tf.GraphDef, spaces: Spaces, factors: Sequence[np.ndarray]) -> tf.GraphDef:
    """The graph with each space divided by its factors where it is written, and multiplied by them where it is read.

    ReLU6 ops stay as they are: `clip` is for those that have to clip each channel elsewhere.

    Args:
        graph: The graph in which the spaces were found.
        spaces: Its spaces.
        factors: [channels] for each of them.
    """
    changed: Dict[str, np.ndarray] = {layer.op: layer.kernel.astype(np.float64) for layer in spaces.layers.values()}
    constants: Dict[str, np.ndarray] = {}
    nodes = graph_nodes.by_name(graph)
    for space, factor in zip(spaces.spaces, factors):
        for name in space.writers:
            changed[name] = kernels.scaled(changed[name], spaces.layers[name].axes.outputs, 1 / factor)
        for name in space.readers:
            changed[name] = kernels.scaled(changed[name], spaces.layers[name].axes.inputs, factor)
        for name in space.constants:
            constants[name] = graph_nodes.constant(nodes, name).astype(np.float64) / factor
    constants.update((spaces.layers[name].constant, values) for name, values in changed.items())
    return layers.with_constants(graph, {name: values.astype(np.float32) for name, values in constants.items()})


def clips(spaces: Sequence[Space], factors: Sequence[np.ndarray]) -> Dict[str, np.ndarray]:
    """float32 [channels], where each ReLU6 of a scaled space has to clip; those of spaces that stay are left out."""
    found: Dict[str, np.ndarray] = {}
    for space, factor in zip(spaces, factors):
        if (factor != 1).any():
            found.update((name, (_SIX / factor).astype(np.float32)) for name in space.relu6)
    return found


def clip(graph: tf.GraphDef, limits: Mapping[str, np.ndarray]) -> Tuple[tf.GraphDef, List[str]]:
    """The graph with a ReLU and a clip of its own for each channel instead of some ReLU6 ops, and those ReLUs.

    The clip has the name of the ReLU6, so that its tensor and what is said of it stay valid.

    Args:
        graph: A graph.
        limits: float32 [channels] of each ReLU6.

    Raises:
        GraphError: A ReLU6 is missing.
    """
    result, rectified = tf.GraphDef(versions=graph.versions), []
    taken = {node.name.lower() for node in graph.node}
    for node in graph.node:
        if node.name not in limits or node.op != "Relu6":
            result.node.add().CopyFrom(node)
            continue
        relu, limit = (graph_nodes.fresh_name(taken, f"{node.name}/{name}") for name in ("Relu", "limit"))
        rectified.append(relu)
        result.node.append(graph_nodes.float_node(relu, "Relu", list(node.input)))
        result.node.append(graph_nodes.const_node(limit, limits[node.name]))
        result.node.append(graph_nodes.float_node(node.name, "Minimum", [relu, limit]))
    if len(rectified) != len(limits):
        raise GraphError(f"{len(rectified)} of {len(limits)} ReLU6 ops are in the graph; equalize the graph in which "
                         "the spaces were found")
    return result, rectified


def unclip(graph: tf.GraphDef, names: Sequence[str]) -> tf.GraphDef:
    """The graph with a ReLU instead of each of some ReLU6 ops."""
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in names:
            copy.op = "Relu"
    return result
