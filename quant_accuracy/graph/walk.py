"""The order in which AIMET meets the ops of a graph, which decides the names that it gives.

AIMET 1.19.1 walks a `tf.Graph` that TensorFlow imported from a GraphDef, from op to consumers. The importer adds, again
and again, the first node of the GraphDef of which all inputs are there; an op's consumers are in the order in which
they were added. (`GraphConstructor` of TensorFlow's graph_constructor.cc; `Tensor.consumers`.)
"""

import heapq
from typing import Dict, Iterator, List, Mapping, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes


def import_order(graph: tf.GraphDef) -> List[tf.NodeDef]:
    """The nodes in the order in which TensorFlow imports them; those in a circle, which it cannot, are left out."""
    index = {node.name: number for number, node in enumerate(graph.node)}
    waiting = [0] * len(graph.node)
    readers: List[List[int]] = [[] for _ in graph.node]
    for number, node in enumerate(graph.node):
        for source in _forward(graph, index, node):
            waiting[number] += 1
            readers[index[graph_nodes.op_of(source)]].append(number)
    ready = [number for number, count in enumerate(waiting) if not count]
    order = []
    while ready:
        number = heapq.heappop(ready)
        order.append(graph.node[number])
        for reader in readers[number]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    return order


def _forward(graph: tf.GraphDef, index: Mapping[str, int], node: tf.NodeDef) -> List[str]:
    """The inputs of a node, but for those that a loop brings back."""
    if node.op not in ("Merge", "RefMerge"):
        return list(node.input)
    return [source for source in node.input
            if graph.node[index[graph_nodes.op_of(source)]].op not in ("NextIteration", "RefNextIteration")]


class DataFlow:
    """Which op gives data to which, in AIMET's order; control inputs do not count.

    Attributes:
        nodes: All ops by name, in the order of the import.
    """

    def __init__(self, graph: tf.GraphDef) -> None:
        self.nodes: Dict[str, tf.NodeDef] = {node.name: node for node in import_order(graph)}
        by_output: Dict[str, Dict[int, List[str]]] = {}
        for node in self.nodes.values():
            for source in graph_nodes.data_inputs(node):
                name, _, output = graph_nodes.tensor_of(source).rpartition(":")
                by_output.setdefault(name, {}).setdefault(int(output), []).append(node.name)
        self._consumers = {name: [reader for output in sorted(outputs) for reader in outputs[output]]
                           for name, outputs in by_output.items()}

    def consumers(self, name: str) -> Sequence[str]:
        """The ops that take what an op gives, output by output, once for each time that they take it."""
        return self._consumers.get(name, ())

    def between(self, starts: Sequence[str], ends: Sequence[str]) -> Set[str]:
        """The ops on the ways from some ops to others, both included."""
        before = graph_nodes.reach(ends, lambda name: map(graph_nodes.op_of,
                                                          graph_nodes.data_inputs(self.nodes[name])))
        return before & graph_nodes.reach(starts, self.consumers)

    def depth_first(self, starts: Sequence[str]) -> List[str]:
        """All ops behind some ops, each before its consumers: depth first, and what is done last comes first.

        (AIMET's `get_ordered_ops`.)
        """
        done: List[str] = []
        seen: Set[str] = set()
        for start in starts:
            # What a second starting op leads back to is entered again, as AIMET does.
            stack = [self._entered(start, seen)]
            names = [start]
            while stack:
                name = next((name for name in stack[-1] if name not in seen), None)
                if name is None:
                    stack.pop()
                    done.append(names.pop())
                else:
                    stack.append(self._entered(name, seen))
                    names.append(name)
        return done[::-1]

    def _entered(self, name: str, seen: Set[str]) -> Iterator[str]:
        seen.add(name)
        return iter(self.consumers(name))

