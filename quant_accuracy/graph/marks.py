"""What freezing notes on the ops of a graph, for those who have to know what an op was before."""

from typing import Dict, Mapping, Set

import tensorflow.compat.v1 as tf

# The type of an op that is an Identity now.
RESOLVED = "_resolved"
# Marks the ops of a branch that was taken.
TAKEN = "_in_branch"
# Which placeholders decided, separated by spaces.
DECIDED_BY = "_decided_by"


def op_type(node: tf.NodeDef) -> str:
    """The type of an op as it was before the graph was brought to inference."""
    # To ask a node for an attribute that it does not have would give it one.
    return str(node.attr[RESOLVED].s.decode("utf-8") if RESOLVED in node.attr else node.op)


def taken(nodes: Mapping[str, tf.NodeDef]) -> Set[str]:
    """The ops that stood in a branch before its `cond` was resolved.

    Args:
        nodes: All ops of a graph by name.
    """
    return {name for name, node in nodes.items() if TAKEN in node.attr}


def phases(graph: tf.GraphDef) -> Dict[str, int]:
    """The placeholders of the learning phase that decided, each with the number of tensors that left such a `cond`."""
    found: Dict[str, int] = {}
    for node in graph.node:
        if DECIDED_BY in node.attr:
            for name in node.attr[DECIDED_BY].s.decode("utf-8").split():
                found[name] = found.get(name, 0) + 1
    return found
