"""Which ops stand in a loop or in a branch that only a run decides.

Nothing outside of a loop can take a tensor in it ("inputs from different frames"), and a tensor in a branch may be dead
("Retval does not have value"): such tensors cannot be observed, and no quantizer can stand there.
"""

from typing import Dict, List, Mapping, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes

_NEXT_ITERATIONS = ("NextIteration", "RefNextIteration")
_STEPS = {"Enter": 1, "RefEnter": 1, "Exit": -1, "RefExit": -1}
_BRANCHES = {"Switch": 1, "RefSwitch": 1, "Merge": -1, "RefMerge": -1}


def inside(nodes: Mapping[str, tf.NodeDef]) -> Set[str]:
    """The ops whose outputs are in a loop or in a branch; what leaves one (Exit, Merge) is not.

    Args:
        nodes: All ops of a graph by name.
    """
    if not any(node.op in _STEPS or node.op in _BRANCHES for node in nodes.values()):
        return set()
    sources = {name: [] if node.op in _NEXT_ITERATIONS else _sources(nodes, node) for name, node in nodes.items()}
    consumers: Dict[str, List[str]] = {}
    missing: Dict[str, int] = {}
    for name, before in sources.items():
        missing[name] = len(before)
        for source in before:
            consumers.setdefault(source, []).append(name)
    depths: Dict[str, int] = {}
    ready = [name for name, count in missing.items() if not count]
    while ready:
        name = ready.pop()
        depths[name] = max((depths[source] for source in sources[name]), default=0) + _step(nodes, nodes[name])
        for consumer in consumers.get(name, ()):
            missing[consumer] -= 1
            if not missing[consumer]:
                ready.append(consumer)
    # What is never ready is in a circle that is no loop of TensorFlow's. What comes back in a loop is in it.
    return {name for name, node in nodes.items() if node.op in _NEXT_ITERATIONS or depths.get(name, 1) > 0}


def _sources(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> List[str]:
    """The ops that a node takes from, but for what comes back to the start of a loop."""
    found = dict.fromkeys(graph_nodes.op_of(reference) for reference in node.input)
    return [name for name in found if nodes[name].op not in _NEXT_ITERATIONS]


def _step(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> int:
    """By how much deeper a node's output is than what it takes: loops have a Switch and a Merge of their own."""
    if node.op not in _BRANCHES:
        return _STEPS.get(node.op, 0)
    taken = [nodes[graph_nodes.op_of(reference)].op for reference in node.input if not reference.startswith("^")]
    return 0 if set(taken) & {*_NEXT_ITERATIONS, "LoopCond"} else _BRANCHES[node.op]
