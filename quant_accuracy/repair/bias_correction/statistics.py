"""What folded batch norms tell of the channels behind them: each has the mean beta and the deviation gamma.

(Nagel et al. 2019, section 4.2.2.) The folded graph no longer holds them, so they are read from the one before.
"""

from typing import Dict, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.folding.fold import BATCH_NORMS, Folded
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.repair.bias_correction import corrections

_PASSING = ("Identity",)
_ADDING = ("Add", "AddV2")


class Statistics(NamedTuple):
    """Of the channels of a tensor on training images.

    Attributes:
        mean: float [channels].
        deviation: float [channels], of any sign; None where only the means are known.
    """

    mean: np.ndarray
    deviation: Optional[np.ndarray]


def of_folded(unfolded: tf.GraphDef, folded: Sequence[Folded]) -> Dict[str, Statistics]:
    """The statistics of layers' outputs, by the BiasAdd that gives the output in the folded graph.

    Left out are batch norms that were spelled out, which have no gamma of their own, and those that were folded into
    the layer behind them.

    Args:
        unfolded: The graph before folding.
        folded: What folding did.
    """
    nodes = graph_nodes.by_name(unfolded)
    found = {}
    for item in folded:
        norm = nodes[item.batch_norm]
        if norm.op not in BATCH_NORMS or not _comes_from(nodes, norm.input[0], item.convolution):
            continue
        if all(graph_nodes.is_constant(nodes, source) for source in norm.input[1:3]):
            gamma, beta = (graph_nodes.constant(nodes, source) for source in norm.input[1:3])
            found[item.output] = Statistics(beta, gamma)
    return found


def _comes_from(nodes: Mapping[str, tf.NodeDef], reference: str, name: str) -> bool:
    node = nodes[graph_nodes.op_of(reference)]
    while node.name != name and node.op in ("BiasAdd", "Identity"):
        node = nodes[graph_nodes.op_of(node.input[0])]
    return bool(node.name == name)


def of_tensor(nodes: Mapping[str, tf.NodeDef], reference: str,
              known: Mapping[str, Statistics]) -> Union[Statistics, str]:
    """The statistics of a tensor, from those of the layers before it; or why they are not known.

    Behind a ReLU or ReLU6 and behind an addition only means are known: what is clipped once is normal no more, and two
    tensors that are added need not be independent.

    Args:
        nodes: The folded graph by name.
        reference: The tensor.
        known: Statistics of layers' outputs, by op.
    """
    node = nodes[graph_nodes.op_of(reference)]
    if node.name in known:
        return known[node.name]
    if node.op in _PASSING:
        return of_tensor(nodes, node.input[0], known)
    if node.op in corrections.CLIPS:
        before = of_tensor(nodes, node.input[0], known)
        if isinstance(before, str):
            return before
        if before.deviation is None:
            return f"{node.op} {node.name!r} clips what is no output of a batch norm"
        return Statistics(corrections.clipped_mean(before.mean, before.deviation, node.op), None)
    if node.op in _ADDING:
        sides = [of_tensor(nodes, source, known) for source in node.input[:2]]
        for side in sides:
            if isinstance(side, str):
                return side
        one, other = (side for side in sides if not isinstance(side, str))
        if one.mean.shape == other.mean.shape:
            return Statistics(one.mean.astype(np.float64) + other.mean, None)
    return f"the means of {node.op} {node.name!r} do not follow from batch norms"
