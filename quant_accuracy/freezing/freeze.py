"""Variables become constants: what reads a variable, or passes it on, reads and passes on the value."""

from typing import Dict, List, Mapping, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes

# Ops of references have a twin that takes values.
_OF_REFERENCES = {f"Ref{op}": op for op in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "Identity", "Select")}
# What hands on a resource, into branches and loops too.
_HANDING_ON = ("Switch", "Merge", "Enter", "Exit", "NextIteration", "Identity")


def freeze(graph: tf.GraphDef, values: Mapping[str, np.ndarray]) -> tf.GraphDef:
    """Turn variables into constants.

    Args:
        graph: The graph.
        values: The value of each variable, by name.
    """
    resources = _resources(graph, values)
    frozen = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        new = frozen.node.add()
        if node.name in values:
            new.CopyFrom(graph_nodes.const_node(node.name, values[node.name]))
            continue
        new.CopyFrom(node)
        new.device = ""
        new.attr.pop("_class", None)
        new.op = _OF_REFERENCES.get(node.op, node.op)
        if node.name in resources:
            # A resource was a scalar.
            new.attr.pop("_output_shapes", None)
            new.attr["T"].type = tf.as_dtype(values[resources[node.name]].dtype).as_datatype_enum
        if node.op == "ReadVariableOp":
            new.op = "Identity"
            new.attr["T"].CopyFrom(new.attr.pop("dtype"))
        elif node.op == "ResourceGather" and not new.attr["batch_dims"].i:
            new.op = "Gather"
            new.attr["Tparams"].CopyFrom(new.attr.pop("dtype"))
            new.attr.pop("batch_dims", None)
        elif node.op == "VariableShape" and graph_nodes.op_of(node.input[0]) in (*values, *resources):
            name = graph_nodes.op_of(node.input[0])
            new.op = "Shape"
            new.attr["T"].type = tf.as_dtype(values[resources.get(name, name)].dtype).as_datatype_enum
        elif node.op in ("VarIsInitializedOp", "IsVariableInitialized"):
            new.CopyFrom(graph_nodes.const_node(node.name, np.bool_(True)))
    return frozen


def _resources(graph: tf.GraphDef, values: Mapping[str, np.ndarray]) -> Dict[str, str]:
    """The ops that hand on a variable that is a resource, each with that variable."""
    found: Dict[str, str] = {}
    uses = graph_nodes.uses(graph.node)
    waiting: List[str] = [node.name for node in graph.node if node.op == "VarHandleOp" and node.name in values]
    seen: Set[str] = set(waiting)
    while waiting:
        name = waiting.pop()
        for index in (0, 1):
            for use in uses.get(f"{name}:{index}", ()):
                handed = use.node.op in _HANDING_ON and use.node.attr["T"].type == tf.resource.as_datatype_enum
                if handed and use.node.name not in seen:
                    seen.add(use.node.name)
                    found[use.node.name] = found.get(name, name)
                    waiting.append(use.node.name)
    return found
