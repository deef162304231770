"""Which tensor of the simulation a tensor of an integer model stands for: by its name, as converters keep it."""

from dataclasses import dataclass
from typing import Dict, Iterable, Mapping, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.records import ACTIVATION, Encoding, Quantization

# Newer converters name a tensor after all ops that became one.
_BETWEEN = ";"


@dataclass(frozen=True)
class Counterpart:
    """A tensor of the simulation.

    Attributes:
        tensor: Its name in the graph, without the quantizer: `concat:0`.
        source: The tensor of the simulation that has its values: `concat_quantized:0` where it is quantized.
        encoding: Its encoding; None where the simulation does not quantize it.
    """

    tensor: str
    source: str
    encoding: Optional[Encoding]


def find(names: Iterable[str], simulation: tf.GraphDef, quantization: Quantization) -> Dict[str, Counterpart]:
    """The counterparts of those tensors that have one, by name.

    Args:
        names: Tensors of an integer model.
        simulation: The fake-quant graph.
        quantization: Its quantizers and encodings.
    """
    nodes = graph_nodes.by_name(simulation)
    known: Dict[str, Counterpart] = {}
    for quantizer in quantization.enabled():
        if quantizer.kind == ACTIVATION:
            found = Counterpart(quantizer.tensor, f"{quantizer.name}:0", quantization.encodings[quantizer.tensor][0])
            known.update({quantizer.name: found, graph_nodes.op_of(quantizer.tensor): found})
    return {name: found for name, found in ((name, _one(name, nodes, known)) for name in names) if found is not None}


def _one(name: str, nodes: Mapping[str, tf.NodeDef], known: Mapping[str, Counterpart]) -> Optional[Counterpart]:
    parts = [part for part in name.split(_BETWEEN)
             if graph_nodes.op_of(part) in nodes and not graph_nodes.is_constant(nodes, part)]
    # A number that a converter adds stands behind the last part, and may make it the name of another op.
    parts = [part for part in parts if not name.endswith(_BETWEEN + part)] or parts
    if not parts:
        return None
    given = _last(parts, nodes)
    tensor, op = graph_nodes.tensor_of(given), graph_nodes.op_of(given)
    return known[op] if tensor.endswith(":0") and op in known else Counterpart(tensor, tensor, None)


def _last(parts: Sequence[str], nodes: Mapping[str, tf.NodeDef]) -> str:
    """Of ops that became one, that which needs all others gives the tensor."""
    ops = set(map(graph_nodes.op_of, parts))
    return next((part for part in parts if len(parts) == 1
                 or ops <= graph_nodes.needed(nodes, [graph_nodes.op_of(part)])), parts[0])
