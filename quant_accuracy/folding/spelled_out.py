"""Batch norms that are spelled out in plain ops, as `tf.nn.batch_normalization` writes them.

    y = x * scale + (beta - mean * scale)      scale = gamma * rsqrt(variance + epsilon)

Many spellings are known: with or without gamma, beta or mean, operands in any order, `Add` or `AddV2`, a root and a
division instead of Rsqrt, the mean subtracted before the scaling, and statistics that are taken from the batch (a graph
that was exported in training mode). What they have in common is that the activation is multiplied per channel by
something over a root of a variance; a scale that is just a constant is a parameter like others.

AIMET 1.19.1 has patterns for what Keras writes (`BN_non_fused_*` of its sub_graph_matcher_op_templates): it takes such
a group for one op of type BatchNorm, with one output, and does not fold it.

Where the parameters were multiplied out when the graph was written, nothing but `x * scale + shift` right behind a
convolution tells of a batch norm. To AIMET these are two ops like any others; they are found where that is asked for.
"""

from typing import AbstractSet, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import arithmetic
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

_ADDING = ("Add", "AddV2", "BiasAdd", "Sub")
_DIVIDING = ("RealDiv", "Div")
_SCALING = ("Mul", *_DIVIDING)
_FOLDING = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_PASSING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Enter", "Neg", "Merge", "Switch")


class SpelledOut(NamedTuple):
    """A batch norm of several ops.

    Attributes:
        name: The op that scales the activation; AIMET names the group after it as well.
        input: The tensor that is normalized.
        chain: The ops that it goes through one after the other; the last one gives the output.
        ops: Those, and what is computed from the batch on the way.
        scale: float32 factor, of any shape that broadcasts; None where it depends on the batch.
        shift: float32 summand, None where there is none or it depends on the batch.
        combined: Whether the parameters were multiplied out.
    """

    name: str
    input: str
    chain: Tuple[str, ...]
    ops: AbstractSet[str]
    scale: Optional[np.ndarray]
    shift: Optional[np.ndarray]
    combined: bool = False

    @property
    def output(self) -> str:
        """The op that gives the normalized activation."""
        return self.chain[-1]


class _Link(NamedTuple):
    """An op of a chain: the position of the activation among its inputs, and what it is combined with."""

    node: tf.NodeDef
    position: int
    other: np.ndarray


def find(network: Network, combined: bool = False) -> List[SpelledOut]:
    """The batch norms of a network that are spelled out, in the network's order.

    Args:
        network: The network, in a frozen graph.
        combined: Also those whose parameters were multiplied out.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    return _Finder(network).find(combined)


class _Finder:
    """The graph with what is known of it while groups are looked for."""

    def __init__(self, network: Network) -> None:
        self._graph, self._ops = network.graph, network.ops()
        self._nodes = network.nodes()
        self._uses = graph_nodes.uses(self._graph.node)
        self._inside: AbstractSet[str] = network.inside()
        self._outputs = set(network.outputs)
        self._taken: Set[str] = set()

    def find(self, combined: bool) -> List[SpelledOut]:
        found: Dict[str, SpelledOut] = {}
        # What has a root comes first: a scaling beside it belongs to it.
        for search in [self._group, *([self._combined] if combined else [])]:
            for node in self._ops:
                group = search(node) if node.op in _SCALING and node.name not in self._taken else None
                if group is not None:
                    self._taken |= group.ops
                    found[group.name] = group
        return [found[node.name] for node in self._ops if node.name in found]

    def _group(self, node: tf.NodeDef) -> Optional[SpelledOut]:
        for position in ((0,) if node.op in _DIVIDING else (0, 1)):
            scaled, by = node.input[position], node.input[1 - position]
            root = _root(self._nodes, by, node.op in _DIVIDING)
            if root is None or graph_nodes.op_of(scaled) not in self._inside \
                    or _of_batch(self._nodes, scaled):
                continue
            if graph_nodes.op_of(by) in self._inside:
                return self._of_batch_statistics(node, scaled, root) if _of_batch(self._nodes, root) else None
            link = self._link(node, position)
            # Over a root of a number: scaled dot products have that too.
            if link is not None and link.other.ndim:
                return self._of_constants(link)
        return None

    def _combined(self, node: tf.NodeDef) -> Optional[SpelledOut]:
        link = self._scaled(node)
        if link is None or link.other.size < 2:
            return None
        before = self._nodes[graph_nodes.op_of(node.input[link.position])]
        if before.op == "BiasAdd":
            before = self._nodes[graph_nodes.op_of(before.input[0])]
        return self._of_constants(link)._replace(combined=True) if before.op in _FOLDING else None

    def _of_constants(self, middle: _Link) -> SpelledOut:
        links = [middle]
        while True:
            before = self._nodes[graph_nodes.op_of(links[0].node.input[links[0].position])]
            link = self._link(before, 0) if before.op == "Sub" else self._scaled(before)
            if link is None or not self._one_use(before) or link.other.size != middle.other.size:
                break
            links.insert(0, link)
        for following in self._following(middle.node):
            link = self._scaled(following)
            if following.op in _ADDING:
                readers = [graph_nodes.op_of(source) for source in following.input]
                link = self._link(following, readers.index(links[-1].node.name))
            if link is None or link.other.size != middle.other.size:
                break
            links.append(link)
            if following.op in _ADDING:
                break
        scale, shift = _affine(links)
        chain = tuple(link.node.name for link in links)
        return SpelledOut(middle.node.name, links[0].node.input[links[0].position], chain, set(chain), scale, shift)

    def _of_batch_statistics(self, node: tf.NodeDef, scaled: str, root: str) -> SpelledOut:
        output = next(self._following(node), node)
        others = [source for source in output.input if graph_nodes.op_of(source) != node.name]
        if output.op not in _ADDING or len(others) != 1 or graph_nodes.op_of(others[0]) not in self._inside \
                or graph_nodes.op_of(root) not in _before(self._nodes, others[0], graph_nodes.op_of(scaled)):
            output = node
        chain = tuple(dict.fromkeys([node.name, output.name]))
        inner = {other.name for other in graph_nodes.between(self._graph, [graph_nodes.op_of(scaled)], [output.name])}
        return SpelledOut(node.name, scaled, chain, inner, None, None)

    def _scaled(self, node: tf.NodeDef) -> Optional[_Link]:
        """A scaling by constants that is no batch norm by itself, such as that by gamma."""
        for position in ((0,) if node.op in _DIVIDING else (0, 1) if node.op == "Mul" else ()):
            if _root(self._nodes, node.input[1 - position], node.op in _DIVIDING) is None:
                link = self._link(node, position)
                if link is not None:
                    return link
        return None

    def _link(self, node: tf.NodeDef, position: int) -> Optional[_Link]:
        """An op of the network that combines its input `position` with constants."""
        if node.name not in self._inside or node.name in self._taken or len(node.input) != 2 \
                or graph_nodes.op_of(node.input[position]) not in self._inside:
            return None
        try:
            other = arithmetic.value(self._nodes, node.input[1 - position])
        except GraphError:
            return None
        return _Link(node, position, other) if other.dtype == np.float32 else None

    def _following(self, node: tf.NodeDef) -> Iterator[tf.NodeDef]:
        """The ops behind, as long as each has one reader."""
        while self._one_use(node):
            node = self._uses[node.name + ":0"][0].node
            if node.name not in self._inside:
                return
            yield node

    def _one_use(self, node: tf.NodeDef) -> bool:
        return len(self._uses.get(node.name + ":0", ())) == 1 and node.name not in self._outputs


def _affine(links: Sequence[_Link]) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """What a chain of ops does, as a factor and a summand."""
    scale: Optional[np.ndarray] = None
    shift: Optional[np.ndarray] = None
    for node, position, other in links:
        if node.op in _SCALING:
            factor = np.float32(1) / other if node.op in _DIVIDING else other
            scale = factor if scale is None else scale * factor
            shift = None if shift is None else shift * factor
        elif node.op != "Sub":
            shift = other if shift is None else shift + other
        elif position == 0:
            shift = -other if shift is None else shift - other
        else:
            scale = np.full_like(other, -1) if scale is None else -scale
            shift = other if shift is None else other - shift
    assert scale is not None
    return scale, shift


def _root(nodes: Mapping[str, tf.NodeDef], reference: str, below: bool, depth: int = 16) -> Optional[str]:
    """What a product takes the reciprocal root of (`below`: the root, because the product is divided by)."""
    node = nodes[graph_nodes.op_of(reference)]
    if depth == 0:
        return None
    if node.op == ("Sqrt" if below else "Rsqrt"):
        return str(node.input[0])
    if node.op == "Pow" and graph_nodes.is_constant(nodes, node.input[1]):
        exponent = graph_nodes.constant(nodes, node.input[1]).reshape(-1)
        return str(node.input[0]) if exponent.tolist() == [0.5 if below else -0.5] else None
    if node.op == "Mul":
        ways: List[Tuple[str, bool]] = [(source, below) for source in node.input[:2]]
    elif node.op in _DIVIDING:
        ways = [(node.input[0], below), (node.input[1], not below)]
    elif node.op in ("Reciprocal", "Inv"):
        ways = [(node.input[0], not below)]
    elif node.op in ("Identity", "Enter", "Reshape", "Squeeze", "ExpandDims", "Neg", "StopGradient"):
        ways = [(node.input[0], below)]
    else:
        return None
    found = (_root(nodes, source, way, depth - 1) for source, way in ways)
    return next((root for root in found if root is not None), None)


def _of_batch(nodes: Mapping[str, tf.NodeDef], reference: str) -> bool:
    """Whether a tensor is a mean over the images of a batch, or a variance (with epsilon): a mean of squares."""
    seen: Dict[str, None] = {}
    waiting = [reference]
    while waiting and len(seen) < 64:
        node = nodes[graph_nodes.op_of(waiting.pop())]
        if node.name in seen:
            continue
        seen[node.name] = None
        if node.op == "Mean" and graph_nodes.is_constant(nodes, node.input[1]):
            return bool((graph_nodes.constant(nodes, node.input[1]) == 0).any())
        if node.op in ("Add", "AddV2", "Maximum"):
            constants = [graph_nodes.is_constant(nodes, source) for source in node.input[:2]]
            waiting += [source for source, fixed in zip(node.input, constants) if not fixed and any(constants)]
        elif node.op in _PASSING:
            waiting += list(node.input)
    return False


def _before(nodes: Mapping[str, tf.NodeDef], reference: str, until: str) -> Set[str]:
    """The ops that a tensor is computed by, back to the op `until`."""
    seen = {until}
    waiting = [graph_nodes.op_of(reference)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [graph_nodes.op_of(source) for source in nodes[name].input]
    return seen
