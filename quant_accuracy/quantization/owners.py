"""Which op of the network a quantizer belongs to."""

from typing import Dict, Iterable

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.records import PARAM, Quantizer


def of_quantizers(graph: tf.GraphDef, quantizers: Iterable[Quantizer]) -> Dict[str, tf.NodeDef]:
    """The op that gives an activation or takes a param, by tensor name; a BiasAdd belongs to the op before it."""
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    found = {}
    for quantizer in quantizers:
        node = uses[quantizer.tensor][0].node if quantizer.kind == PARAM else nodes[graph_nodes.op_of(quantizer.tensor)]
        found[quantizer.tensor] = nodes[graph_nodes.op_of(node.input[0])] if node.op == "BiasAdd" else node
    return found
