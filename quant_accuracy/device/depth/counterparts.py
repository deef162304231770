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
    order = {node.name: place for place, node in enumerate(simulation.node)}
    known: Dict[str, Counterpart] = {}
    for quantizer in quantization.enabled():
        if quantizer.kind == ACTIVATION:
            found = Counterpart(quantizer.tensor, f"{quantizer.name}:0", quantization.encodings[quantizer.tensor][0])
            known.update({quantizer.name: found, graph_nodes.op_of(quantizer.tensor): found})
    return {name: found for name, found in ((name, _one(name, order, known)) for name in names) if found is not None}


def _one(name: str, order: Mapping[str, int], known: Mapping[str, Counterpart]) -> Optional[Counterpart]:
    parts: Sequence[str] = [part for part in name.split(_BETWEEN) if graph_nodes.op_of(part) in order]
    if not parts:
        return None
    # Of ops that became one, the last gives the tensor.
    last = max(parts, key=lambda part: order[graph_nodes.op_of(part)])
    tensor = graph_nodes.tensor_of(last)
    return known.get(graph_nodes.op_of(last)) if tensor.endswith(":0") and graph_nodes.op_of(last) in known \
        else Counterpart(tensor, tensor, None)
