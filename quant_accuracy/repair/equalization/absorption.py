"""High biases absorbed by the next layers, where that is exact (Nagel et al. 2019, section 4.2).

What a channel has in common on all images widens the range of its tensor and says nothing. Between two layers without
an activation all of it can move into the biases behind, provided that each output there is computed from as many
inputs: where borders are padded with zeros it would be missing. Behind a ReLU only what lies below every value could
move, which holds for the images that were seen; that is left to AIMET's variant.
"""

from typing import Dict, Mapping

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.repair.equalization import kernels, layers
from quant_accuracy.repair.equalization.spaces import Space, Spaces

_STRAIGHT = ("BiasAdd", "Identity")


def absorbs(space: Space, found: Spaces, nodes: Mapping[str, tf.NodeDef]) -> bool:
    """Whether what is subtracted from a space's channels can be added behind them, to the last bit but rounding."""
    if len(space.writers) != 1 or space.constants != (found.layers[space.writers[0]].bias,):
        return False
    between = [name for name in space.tensors if name not in space.writers]
    return all(nodes[name].op in _STRAIGHT for name in between) and \
        all(found.layers[name].unpadded and found.layers[name].bias is not None for name in space.readers)


def absorb(graph: tf.GraphDef, found: Spaces, moved: Mapping[int, np.ndarray]) -> tf.GraphDef:
    """The graph with some of the bias before a space subtracted there, and what it does added behind.

    Args:
        graph: The graph in which the spaces were found; its kernels may have been scaled since.
        found: Its spaces.
        moved: [channels] by the number of the space, one that `absorbs`.
    """
    nodes = graph_nodes.by_name(graph)
    changed: Dict[str, np.ndarray] = {}

    def add(constant: str, values: np.ndarray) -> None:
        before = changed.get(constant, graph_nodes.constant(nodes, constant).astype(np.float64))
        changed[constant] = before + values

    for number, values in moved.items():
        for name in found.spaces[number].constants:
            add(name, -values)
        for name in found.spaces[number].readers:
            layer = found.layers[name]
            kernel = graph_nodes.constant(nodes, layer.constant).astype(np.float64)
            assert layer.bias is not None
            add(layer.bias, kernels.summed(kernel, layer.axes, values))
    return layers.with_constants(graph, {name: values.astype(np.float32) for name, values in changed.items()})
