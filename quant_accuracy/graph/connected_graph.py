"""A network as AIMET 1.19.1 sees it: layers instead of ops, in the order in which it meets them.

AIMET's `ConnectedGraph` walks from the starting ops to consumers, depth first and the last consumer first. What it
meets gives it the order of ops, and where an op of several ends: at the op from which the walk last left it. So where a
layer is left in two places, only one of them has a quantizer.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from quant_accuracy.graph import layer_patterns
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.layer_patterns import Layer
from quant_accuracy.graph.marks import op_type
from quant_accuracy.graph.network import Network
from quant_accuracy.graph.walk import DataFlow

# Ops of which AIMET has the inputs in the order of the op, not in that in which it met them.
_ORDERED = ("Add", "AddN", "ConcatV2", "Merge", "Mul")


@dataclass(frozen=True)
class ConnectedOp:
    """An op of the connected graph: a layer of several ops, or one op.

    Attributes:
        name: AIMET's name for it, which no other one has.
        type: The type of the layer, or of the op.
        node: The op that the layer is named for.
        output: The op at whose output its quantizer stands.
        inputs: The names of the connected ops before it.
        consumers: The names of those behind it, in the order in which they were met.
        starting: Whether it holds a starting op.
        entered: Whether the first thing that it takes is given by a starting op.
    """

    name: str
    type: str
    node: str
    output: str
    inputs: Tuple[str, ...]
    consumers: Tuple[str, ...]
    starting: bool
    entered: bool


@dataclass
class _Met:
    """A connected op while the graph is walked."""

    type: str
    node: str
    output: str = ""
    # By connected op before it: the op there, and the op here, that are linked.
    inputs: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    consumers: Dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectedGraph:
    """A network of connected ops.

    Attributes:
        ops: By name, in the order in which AIMET meets them.
        flow: The graph.
        owners: The connected op that each op of the network belongs to, by name.
    """

    ops: Mapping[str, ConnectedOp]
    flow: DataFlow
    owners: Mapping[str, str]

    def chains(self, longest: int) -> List[List[ConnectedOp]]:
        """The ways on which patterns of ops are looked for: each op with those before it, up to `longest` in all.

        AIMET's GraphSearcher goes depth first and comes to every op once: where two ways meet, only the first of them
        continues. A way that forks ends there, and none holds a starting op.
        """
        found: List[List[ConnectedOp]] = []
        seen: Set[str] = set()
        stack: List[Tuple[str, List[ConnectedOp]]] = []
        for op in reversed(list(self.ops.values())):
            if op.entered:
                stack.append((op.name, []))
        while stack:
            name, before = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            op = self.ops[name]
            chain = [*before, op][-longest:]
            found.append(chain)
            stack += [(other, chain if len(op.consumers) == 1 else []) for other in reversed(op.consumers)]
        return found

    def matches(self, patterns: Sequence[Sequence[str]]) -> List[List[ConnectedOp]]:
        """The chains of ops whose types are one of the patterns."""
        wanted = {tuple(pattern) for pattern in patterns}
        lengths = sorted({len(pattern) for pattern in wanted}, reverse=True)
        return [chain[-length:] for chain in self.chains(max(lengths, default=1)) for length in lengths
                if tuple(op.type for op in chain[-length:]) in wanted]


def connect(network: Network) -> ConnectedGraph:
    """The connected graph of a network.

    Args:
        network: The network, in a frozen graph.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    network.ops()
    flow = DataFlow(network.graph)
    valid = flow.between(network.starts, network.outputs)
    layers = layer_patterns.find(flow, valid)
    owners = {name: layers[name].name if name in layers else name for name in flow.nodes if name in valid}
    starts = [start for start in network.starts if start in valid]
    met = _walk(starts, flow, layers, owners)
    starting = {owners[start] for start in starts}
    ops = {}
    for name, op in met.items():
        inputs = _inputs(op, flow)
        entered = bool(inputs) and met[inputs[0]].node in starts
        ops[name] = ConnectedOp(name, op.type, op.node, op.output, tuple(inputs), tuple(op.consumers),
                                name in starting, entered)
    return ConnectedGraph(ops, flow, owners)


def _walk(starts: Sequence[str], flow: DataFlow, layers: Mapping[str, Layer],
          owners: Mapping[str, str]) -> Dict[str, _Met]:
    """The connected ops in the order in which AIMET meets them."""
    met: Dict[str, _Met] = {}

    def meet(name: str) -> _Met:
        layer = layers.get(name)
        node = flow.nodes[layer.node if layer else name]
        return met.setdefault(owners[name], _Met(layer.type if layer else op_type(node), node.name))

    def children(name: str) -> List[Tuple[str, str]]:
        return [(reader, name) for reader in flow.consumers(name) if reader in owners]

    stack: List[Tuple[str, str]] = []
    for start in starts:
        meet(start).output = start
        stack += children(start)
    visited: Set[str] = set()
    while stack:
        name, before = stack.pop()
        if owners[name] != owners[before]:
            op, giving = meet(name), met[owners[before]]
            op.inputs.setdefault(owners[before], (before, name))
            giving.consumers[owners[name]] = None
            giving.output = before
        if name not in visited:
            visited.add(name)
            following = children(name)
            stack += following
            if not following:
                met[owners[name]].output = name
    return met


def _inputs(op: _Met, flow: DataFlow) -> List[str]:
    """The connected ops before one, in AIMET's order."""
    if op.type not in _ORDERED:
        return list(op.inputs)
    sources = [graph_nodes.op_of(source) for source in graph_nodes.data_inputs(flow.nodes[op.node])]
    return sorted(op.inputs, key=lambda name: sources.index(op.inputs[name][0]) if op.inputs[name][0] in sources else 0)
