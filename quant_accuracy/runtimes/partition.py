"""A graph in three parts: what comes before the network, the network, and what comes behind it."""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import dtypes
from quant_accuracy.graph import nodes as graph_nodes

_CUT = "quant_accuracy/cut"


@dataclass(frozen=True)
class Part:
    """A part of a graph.

    Attributes:
        graph: Its ops, and a placeholder for each tensor that it takes from outside.
        takes: Placeholders, by the tensor of the whole graph that each stands for.
        placeholders: The tensors of those that the whole graph has, too.
        gives: The tensors that others want of it.
    """

    graph: tf.GraphDef
    takes: Mapping[str, str]
    placeholders: Sequence[str]
    gives: Sequence[str]


@dataclass(frozen=True)
class Partition:
    """The three parts; all together compute what the graph does.

    Attributes:
        before: Preprocessing, and whatever else does not depend on the network.
        network: The ops on the ways from the starting ops to the output ops.
        behind: Post-processing.
    """

    before: Part
    network: Part
    behind: Part


def split(graph: tf.GraphDef, starts: Sequence[str], outputs: Sequence[str], fetches: Sequence[str]) -> Partition:
    """Split a graph where its network begins and ends.

    The network takes whatever its ops take from outside and is not constant: the starting ops' tensors, and the size of
    a batch, say. What comes behind may take more of the network than its outputs, and of what comes before it.

    Args:
        graph: A frozen graph.
        starts: The starting ops.
        outputs: The output ops.
        fetches: The tensors that are wanted, of any of the parts.

    Raises:
        GraphError: A named op is missing.
    """
    nodes = graph_nodes.by_name(graph)
    graph_nodes.require(nodes, [*starts, *outputs, *map(graph_nodes.op_of, fetches)])
    consumers: Dict[str, List[str]] = {}
    for node in graph.node:
        for reference in node.input:
            consumers.setdefault(graph_nodes.op_of(reference), []).append(node.name)
    after = graph_nodes.reach(starts, lambda name: consumers.get(name, ()))
    network = (after & graph_nodes.needed(nodes, outputs)) - set(starts)
    fed = graph_nodes.reach([node.name for node in graph.node if node.op.startswith("Placeholder")],
                            lambda name: consumers.get(name, ()))
    outside = _needed_outside(nodes, fetches, network)
    behind = outside & graph_nodes.reach(network, lambda name: consumers.get(name, ()))
    wanted = list(dict.fromkeys(map(graph_nodes.tensor_of, fetches)))
    taken_behind = _taken(nodes, behind, fed)
    exits = [tensor for tensor in [*wanted, *taken_behind] if graph_nodes.op_of(tensor) in network]
    # Of the network only what leads to them.
    inner = graph_nodes.reach([graph_nodes.op_of(tensor) for tensor in exits], lambda name: [
        op for op in map(graph_nodes.op_of, nodes[name].input) if op in network])
    entries = _taken(nodes, inner, fed)
    early = [tensor for tensor in [*entries, *taken_behind, *wanted]
             if graph_nodes.op_of(tensor) not in network | behind
             and nodes[graph_nodes.op_of(tensor)].op != "Placeholder"]
    late = [tensor for tensor in wanted if graph_nodes.op_of(tensor) in behind]
    return Partition(_part(graph, fed, (), early), _part(graph, fed - inner, entries, exits),
                     _part(graph, fed - behind, taken_behind, late))


def _needed_outside(nodes: Mapping[str, tf.NodeDef], fetches: Sequence[str], network: Set[str]) -> Set[str]:
    """The ops that some tensors need, down to those that take something of the network."""
    roots = [name for name in map(graph_nodes.op_of, fetches) if name not in network]
    return graph_nodes.reach(roots, lambda name: [op for op in map(graph_nodes.op_of, nodes[name].input)
                                                  if op not in network])


def _taken(nodes: Mapping[str, tf.NodeDef], inside: Set[str], fed: Set[str]) -> List[str]:
    """The tensors that some ops take from others that images, or whatever else is fed, have a part in."""
    found = [graph_nodes.tensor_of(reference) for name in sorted(inside) for reference in
             graph_nodes.data_inputs(nodes[name])]
    return [tensor for tensor in dict.fromkeys(found)
            if graph_nodes.op_of(tensor) in fed and graph_nodes.op_of(tensor) not in inside]


def _part(graph: tf.GraphDef, elsewhere: Set[str], takes: Sequence[str], gives: Iterable[str]) -> Part:
    """What some tensors need, with a placeholder for each of those that are computed elsewhere."""
    nodes, given = graph_nodes.by_name(graph), list(dict.fromkeys(gives))
    names = {tensor: f"{_CUT}/{index}" for index, tensor in enumerate(takes)}
    result = tf.GraphDef(versions=graph.versions, library=graph.library)
    for tensor, name in names.items():
        op, _, index = tensor.partition(":")
        placeholder = result.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = dtypes.output_dtype(nodes[op], int(index)).as_datatype_enum
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        if takes:
            del copy.input[:]
            # An op that only has to run first would bring back the part that was cut off.
            copy.input.extend(names.get(graph_nodes.tensor_of(reference), reference) for reference in node.input
                              if not (reference.startswith("^") and graph_nodes.op_of(reference) in elsewhere))
    part = graph_nodes.subgraph(result, [graph_nodes.op_of(tensor) for tensor in given])
    own = [f"{node.name}:0" for node in part.node
           if node.op.startswith("Placeholder") and node.name not in names.values()]
    return Part(part, names, own, given)
