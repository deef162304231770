"""Write the graph in which batch norms are folded."""

from typing import Dict, List, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.folding.fold_match import Match
from quant_accuracy.graph import nodes as graph_nodes

_NEW_BIAS = "bias_value"


def rewrite(graph: tf.GraphDef, matches: Sequence[Match]) -> Tuple[tf.GraphDef, List[str]]:
    """The graph without the batch norms of the matches, and for each match the op that adds its bias.

    The ops that stay keep their order, and those that are new come last, as AIMET adds them: what it meets first, and
    so the order of its quantizers, follows from that.
    """
    writer = _Writer(graph)
    outputs = [writer.fold(match) for match in matches]
    return writer.written(), outputs


class _Writer:
    """A graph with what is to be changed in it."""

    def __init__(self, graph: tf.GraphDef) -> None:
        self._graph = graph
        self._nodes = graph_nodes.by_name(graph)
        self._uses = graph_nodes.uses(graph.node)
        self._taken = {name.lower() for name in self._nodes}
        self._values: Dict[str, np.ndarray] = {}
        self._inputs: Dict[Tuple[str, int], str] = {}
        self._redirected: Dict[str, str] = {}
        self._dropped: Set[str] = set()
        self._new: List[tf.NodeDef] = []

    def fold(self, match: Match) -> str:
        """Note what one match changes; returns the op that adds the bias."""
        linear = match.linear
        self._set(linear.node, 1, match.weights, linear.own, "folded_weights")
        output = linear.output
        if linear.bias_add is not None:
            self._set(linear.bias_add, 1, match.bias, linear.own_bias, "folded_bias")
        else:
            bias, output = self._fresh(_NEW_BIAS), self._fresh(_NEW_BIAS)
            self._new += [
                graph_nodes.const_node(bias, match.bias),
                graph_nodes.float_node(bias + "/read", "Identity", [bias]),
                graph_nodes.float_node(output, "BiasAdd", [linear.node.name, bias + "/read"]),
            ]
            self._redirected[linear.node.name + ":0"] = output + ":0"
        self._redirected[match.ends[0] + ":0"] = graph_nodes.tensor_of(match.instead or linear.output)
        self._dropped.update(match.ends)
        return output

    def _set(self, node: tf.NodeDef, position: int, value: np.ndarray, own: bool, name: str) -> None:
        """Give an op another constant for an input; one that others read as well stays as it is."""
        reader = self._nodes[graph_nodes.op_of(node.input[position])]
        if own:
            self._values[graph_nodes.constant_node(self._nodes, node.input[position]).name] = value
            return
        constant = self._fresh(f"{node.name}/{name}")
        self._new.append(graph_nodes.const_node(constant, value))
        if reader.op == "Identity" and len(self._uses[reader.name + ":0"]) == 1:
            self._inputs[reader.name, 0] = constant
        else:
            self._new.append(graph_nodes.float_node(constant + "/read", "Identity", [constant]))
            self._inputs[node.name, position] = constant + "/read"

    def _fresh(self, name: str) -> str:
        fresh = graph_nodes.fresh_name(self._taken, name)
        self._taken.add(fresh.lower())
        return fresh

    def written(self) -> tf.GraphDef:
        """The new graph."""
        result = tf.GraphDef(versions=self._graph.versions)
        for node in self._graph.node:
            if node.name in self._dropped:
                continue
            copy = result.node.add()
            copy.CopyFrom(graph_nodes.const_node(node.name, self._values[node.name]) if node.name in self._values
                          else node)
            for position, reference in enumerate(copy.input):
                copy.input[position] = self._inputs.get((node.name, position)) or self._now(reference)
        result.node.extend(self._new)
        return result

    def _now(self, reference: str) -> str:
        """What is read instead of a tensor."""
        control = reference.startswith("^")
        tensor = graph_nodes.op_of(reference) + ":0" if control else graph_nodes.tensor_of(reference)
        if tensor not in self._redirected:
            return reference
        while tensor in self._redirected:
            tensor = self._redirected[tensor]
        return "^" + graph_nodes.op_of(tensor) if control else tensor[:-2] if tensor.endswith(":0") else tensor
