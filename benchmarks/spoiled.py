"""The demo with ranges that were spoiled on purpose: the same float function, and next to nothing left of it at 8 bits.

Channels between two consecutive layers are scaled by something between 1 and 1/100, with the inverse in the layer
behind: behind linear projections, and behind a ReLU6 where no activation of the data set reaches the 6. It knows
nothing of `quant_accuracy.repair`, which has to undo it.
"""

from pathlib import Path
from typing import Dict, Iterator, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization import export

_LAYERS = ("Conv2D", "DepthwiseConv2dNative")
_SMALLEST, _SIX = 100.0, 5.9
_SEED = 7


class Pair(NamedTuple):
    """Two layers with nothing but a bias, and maybe a ReLU6, between them.

    Attributes:
        first: The layer before.
        bias: The BiasAdd behind it.
        relu6: The ReLU6 behind that; None where there is none.
        last: The only layer that reads it.
    """

    first: tf.NodeDef
    bias: tf.NodeDef
    relu6: Optional[tf.NodeDef]
    last: tf.NodeDef


def write(prepared: Prepared, folder: Path) -> Path:
    """Write the spoiled network as a checkpoint; gives its prefix."""
    graph = prepared.artifacts.graph(FLOAT)
    pairs = list(_pairs(graph))
    largest = _largest(graph, [pair.bias.name for pair in pairs if pair.relu6 is not None], prepared)
    export.write_checkpoint(_scaled(graph, pairs, largest), folder)
    return folder / export.PREFIX


def _pairs(graph: tf.GraphDef) -> Iterator[Pair]:
    uses = graph_nodes.uses(graph.node)

    def only(node: tf.NodeDef) -> Optional[tf.NodeDef]:
        readers = list(uses.get(f"{node.name}:0", ()))
        if len(readers) != 1 or readers[0].position != 0:
            return None
        behind: tf.NodeDef = readers[0].node
        return only(behind) if behind.op == "Identity" else behind

    for node in graph.node:
        bias = only(node) if node.op in _LAYERS else None
        behind = only(bias) if bias is not None and bias.op == "BiasAdd" else None
        relu6 = behind if behind is not None and behind.op == "Relu6" else None
        last = only(relu6) if relu6 is not None else behind
        if bias is not None and last is not None and last.op in _LAYERS:
            yield Pair(node, bias, relu6, last)


def _largest(graph: tf.GraphDef, names: Sequence[str], prepared: Prepared) -> Dict[str, np.ndarray]:
    """The largest value of each channel over all images."""
    card = prepared.request.card
    found: Dict[str, np.ndarray] = {}
    with sessions.open_session(graph) as session:
        for batch in images.stream(prepared.every_shard, 1, card.height, card.width):
            values = session.run([f"{name}:0" for name in names], {f"{card.graph.image_input}:0": batch.images})
            for name, value in zip(names, values):
                seen = value.max(axis=(0, 1, 2))
                found[name] = np.maximum(found.get(name, seen), seen)
    return found


def _scaled(graph: tf.GraphDef, pairs: Sequence[Pair], largest: Dict[str, np.ndarray]) -> tf.GraphDef:
    random = np.random.RandomState(_SEED)
    nodes = graph_nodes.by_name(graph)
    changed: Dict[str, np.ndarray] = {}

    def scale(reference: str, factors: np.ndarray) -> None:
        name = graph_nodes.constant_node(nodes, reference).name
        changed[name] = changed.get(name, graph_nodes.constant(nodes, name).astype(np.float64)) * factors

    for pair in pairs:
        channels = len(graph_nodes.constant(nodes, pair.bias.input[1]))
        factors = _SMALLEST ** -random.uniform(0, 1, channels)
        if pair.relu6 is not None:
            factors[largest[pair.bias.name] >= _SIX] = 1.0
        # [rows, columns, inputs, outputs], of a depthwise layer [rows, columns, channels, 1].
        scale(pair.first.input[1], factors[:, None] if pair.first.op != "Conv2D" else factors)
        scale(pair.bias.input[1], factors)
        scale(pair.last.input[1], 1 / factors[:, None])
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in changed:
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(changed[node.name].astype(np.float32)))
    return result
