"""Graphs that are quantized already: TensorFlow's own fake quantization, AIMET's simulation, integer kernels.

What is measured here is a float network, and what this project's quantizers do to it. Others in the graph would be
taken for a part of the network.
"""

import re
from pathlib import Path
from typing import Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

_EXPORT = f"export it anew with {invocation.EXPORT}, from its pipeline.config and training checkpoint, which " \
          "drops the block"
_KINDS = (
    (r"FakeQuantWithMinMax\w+|QuantizeAndDequantize\w*",
     "TensorFlow's own fake quantization (a graph_rewriter block)", _EXPORT),
    (r"Qc\w*Quantize\w*", "AIMET's quantizers (the checkpoint of a simulation)",
     "give the float checkpoint that it was made of, or what AIMET's export wrote"),
    (r"Quantize(V2|DownAndShrinkRange)?|Dequantize|Requantiz\w+|Quantized[A-Z]\w+", "integer kernels",
     "give the float checkpoint that it was made of"),
)


def refuse(path: Path, graph: tf.GraphDef, outputs: Sequence[str]) -> None:
    """Refuse a graph with quantizers in what the output ops need.

    Args:
        path: The file, for messages.
        graph: Its graph.
        outputs: Names of ops, all of them there.

    Raises:
        GraphError: There are some; it says of which kind, how many, and what to do.
    """
    nodes = graph_nodes.by_name(graph)
    needed = graph_nodes.needed(nodes, outputs)
    for pattern, what, remedy in _KINDS:
        found = [node for node in graph.node if node.name in needed and re.fullmatch(pattern, node.op)]
        if found:
            ops = "1 op" if len(found) == 1 else f"{len(found)} ops"
            raise GraphError(f"{path}: the graph holds {what}: {ops} such as the {found[0].op} {found[0].name!r}; "
                             f"{remedy}")
