"""Fold inference batch norms into the convolutions and dense ops beside them.

    behind:  w' = w * gamma / sigma      b' = beta + (b - mean) * gamma / sigma      sigma = sqrt(variance + epsilon)
    before:  w' = w * gamma / sigma      b' = b + sum of w * (beta - mean * gamma / sigma)

(Ioffe and Szegedy 2015, the inference form.) Which batch norm goes into which op, and in which order, is AIMET's rule
(`find_all_batch_norms_to_fold`): the one behind first, else the one before, as the connected graph has them side by
side. An op with a BiasAdd keeps it; others get one, and AIMET names the new bias and its BiasAdd `bias_value` and
`bias_value_1`, those of the next op `bias_value_2` and `bias_value_3`.

A batch norm that is spelled out in plain ops is the same function. AIMET leaves it in the network; here it is folded
where that is asked for, and then gives the very graph that its fused form gives. And where several convolutions share
a kernel, at which AIMET stops, each gets its own.
"""

from dataclasses import dataclass, replace
from typing import Dict, List, NamedTuple, Sequence, Set, Union

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.folding import fold_match, fold_rewrite, spelled_out
from quant_accuracy.folding.fold_match import Match, Norm
from quant_accuracy.graph import computed, connected_graph, layer_patterns
from quant_accuracy.graph.connected_graph import ConnectedGraph
from quant_accuracy.graph.network import Network

BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_CONVOLUTIONS = (layer_patterns.CONVOLUTION, layer_patterns.DEPTHWISE)
_NOT_ASKED = ("set quantization: {spelled_out_batch_norms: fold} in the model card, or give --spelled-out-batch-norms "
              "fold, to fold it; keep leaves it as it is")
_SPELLED = f"it is spelled out in plain ops, which AIMET does not fold; {_NOT_ASKED}"


@dataclass(frozen=True)
class Folded:
    """A batch norm that was folded.

    Attributes:
        convolution: The convolution or dense op whose weights took the scale.
        batch_norm: The batch-norm op that is gone; of one that was spelled out, the op that scaled.
        output: The BiasAdd op behind the convolution, which holds the shift.
    """

    convolution: str
    batch_norm: str
    output: str


@dataclass(frozen=True)
class NotFolded:
    """A batch norm that stays in the graph, and why."""

    batch_norm: str
    reason: str


class FoldResult(NamedTuple):
    """A graph with its batch norms folded, and the record of what was done."""

    graph: tf.GraphDef
    folded: Sequence[Folded]
    not_folded: Sequence[NotFolded]


def fold_batch_norms(network: Network, spelled: bool = False) -> FoldResult:
    """Fold every batch norm of a network that AIMET folds and that can be folded exactly.

    Weights that the network computes from constants become constants on the way.

    Args:
        network: The network, in a frozen float graph.
        spelled: Fold those that are spelled out in plain ops too; otherwise they are left, with that reason.

    Returns:
        The new graph, what was folded in AIMET's order, and what was left with the reason.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    network = replace(network, graph=computed.store_weights(network))
    graph = connected_graph.connect(network)
    matcher = fold_match.Matcher(network)
    found: Dict[str, Union[Match, str]] = {}
    for norm, linear, before in _pairs(network, graph):
        name = norm.node.name
        found[name] = matcher.before(norm, linear) if before else matcher.behind(norm, linear)
    for norm in _norms(network, graph):
        if norm.node.name not in found:
            found[norm.node.name] = matcher.alone(norm)
    for group in spelled_out.find(network, combined=True):
        match = matcher.spelled_out(group)
        if not spelled and not isinstance(match, str):
            match = f"it scales each channel by a constant, right behind {match.linear.node.name!r}; {_NOT_ASKED}" \
                if group.combined else _SPELLED
        found[group.name] = match
    order = {name: number for number, name in enumerate(graph.flow.depth_first(network.starts))}
    matches = sorted(_one_each(found), key=lambda match: order[match.linear.node.name])
    not_folded = [NotFolded(name, reason) for name, reason in found.items() if isinstance(reason, str)]
    folded_graph, outputs = fold_rewrite.rewrite(network.graph, matches)
    _check(replace(network, graph=folded_graph), graph, len(not_folded))
    folded = [Folded(match.linear.node.name, match.name, output) for match, output in zip(matches, outputs)]
    return FoldResult(folded_graph, folded, not_folded)


def _one_each(found: Dict[str, Union[Match, str]]) -> List[Match]:
    """The matches, of which no two change one op; of those that would, the later ones become reasons."""
    taken: Dict[str, Match] = {}
    for name, match in found.items():
        if not isinstance(match, str) and taken.setdefault(match.linear.node.name, match) is not match:
            found[name] = f"{taken[match.linear.node.name].name!r} is folded into {match.linear.node.name!r} already"
    return list(taken.values())


class _Pair(NamedTuple):
    """A batch norm, the op with weights that takes it, and whether it comes before that op."""

    norm: Norm
    linear: str
    before: bool


def _pairs(network: Network, graph: ConnectedGraph) -> List[_Pair]:
    """The batch norms that AIMET folds, each with the op that takes it.

    Every op takes one: the batch norm behind it, else the one before it; and each batch norm goes to one op, the first.
    """
    behind: Dict[str, Norm] = {}
    before: Dict[str, Norm] = {}
    patterns = [pattern for norm in BATCH_NORMS for pattern in (
        *([kind, norm] for kind in _CONVOLUTIONS), *([norm, kind] for kind in _CONVOLUTIONS),
        *([norm, flat, layer_patterns.DENSE] for flat in ("Flatten", "Reshape")))]
    for first, *_, last in graph.matches(patterns):
        if first.type in BATCH_NORMS:
            before[last.node] = Norm(graph.flow.nodes[first.node], first.output)
        else:
            behind[first.node] = Norm(graph.flow.nodes[last.node], last.output)
    pairs: List[_Pair] = []
    taken: Set[str] = set()
    for name in graph.flow.depth_first(network.starts):
        norm = behind.get(name, before.get(name))
        if norm is not None and norm.node.name not in taken:
            taken.add(norm.node.name)
            pairs.append(_Pair(norm, name, name not in behind))
    return pairs


def _norms(network: Network, graph: ConnectedGraph) -> List[Norm]:
    """All fused batch norms of a network, in its order."""
    return [Norm(node, graph.ops[graph.owners[node.name]].output) for node in network.ops()
            if node.op in BATCH_NORMS and node.name in graph.owners]


def _check(network: Network, graph: ConnectedGraph, expected: int) -> None:
    remaining = sum(node.op in BATCH_NORMS and node.name in graph.owners for node in network.graph.node) \
        + len(spelled_out.find(network, combined=True))
    if remaining != expected:
        raise GraphError(f"{remaining} batch norms are left after folding where {expected} were expected; "
                         "report this graph, its batch norms cannot be folded safely")
