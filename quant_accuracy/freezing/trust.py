"""Whether a checkpoint's graph may be run: it comes from elsewhere, and a graph is a program.

The check reads the graph and runs nothing of it. It refuses

- a graph that holds an op which reaches outside (files, data sets, queues, network, Python), also in a function that
  nothing seems to call;
- among the ops that would be run (what the outputs need, what the saver's restore op needs, the initializers of
  variables) every type that is not known to be harmless: custom ops, calls of functions, savers in the wrong place;
- a restore op that reads another file than the checkpoint.
"""

from pathlib import Path
from typing import AbstractSet, Dict, Iterable, List, Mapping, Sequence, Set

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import variable_pb2

from quant_accuracy.base.errors import CheckpointError, GraphError
from quant_accuracy.freezing import op_types
from quant_accuracy.graph import nodes as graph_nodes

_REMEDY = "use a checkpoint without it, or, if you know where this one comes from, give --trust-checkpoint"


def check(path: Path, meta: tf.MetaGraphDef, outputs: Sequence[str]) -> None:
    """Check that nothing in a graph reaches outside.

    Args:
        path: The `.meta` file, for messages.
        meta: What it holds.
        outputs: The ops that will be run.

    Raises:
        GraphError: An op reaches outside or is not known to be harmless; it is named with its type.
        CheckpointError: The records of variables are damaged.
    """
    _check_held(path, meta)
    nodes = graph_nodes.by_name(meta.graph_def)
    _check_run(path, nodes, outputs, frozenset())
    _check_run(path, nodes, initializers(path, meta), op_types.ASSIGNING)
    _check_restore(path, nodes, meta.saver_def)


def _check_held(path: Path, meta: tf.MetaGraphDef) -> None:
    for node in meta.graph_def.node:
        _check_node(path, node, "")
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            _check_node(path, node, f" in the function {function.signature.name!r}")


def _check_node(path: Path, node: tf.NodeDef, place: str) -> None:
    what = op_types.outside(node.op)
    # To the streams of the process it may print.
    if node.op == "PrintV2" and "output_stream" in node.attr \
            and node.attr["output_stream"].s not in (b"", b"stderr", b"stdout"):
        what = "writes files"
    if what:
        raise GraphError(f"{path}: the op {node.name!r}{place} is a {node.op}, which {what}; {_REMEDY}")


def _check_run(path: Path, nodes: Mapping[str, tf.NodeDef], roots: Iterable[str], more: AbstractSet[str]) -> None:
    for name in sorted(_needed(nodes, roots)):
        node = nodes[name]
        if node.op not in op_types.HARMLESS and node.op not in more:
            raise GraphError(f"{path}: the op {name!r} is a {node.op}, which is not known to be harmless; {_REMEDY}")


def _check_restore(path: Path, nodes: Mapping[str, tf.NodeDef], saver: tf.train.SaverDef) -> None:
    _check_run(path, nodes, [graph_nodes.op_of(saver.restore_op_name)], op_types.ASSIGNING | op_types.RESTORING)
    file_name = graph_nodes.op_of(saver.filename_tensor_name)
    for name in sorted(_needed(nodes, [graph_nodes.op_of(saver.restore_op_name)])):
        node = nodes[name]
        if node.op in op_types.RESTORING and (not node.input or graph_nodes.op_of(node.input[0]) != file_name):
            raise GraphError(f"{path}: the op {name!r} is a {node.op} of another file than the checkpoint; {_REMEDY}")


def initializers(path: Path, meta: tf.MetaGraphDef) -> List[str]:
    """The ops that initialize the variables of a graph, as far as its collections say.

    Raises:
        CheckpointError: The records of variables are damaged.
    """
    found: Dict[str, None] = {}
    for key in (*tf.GraphKeys._VARIABLE_COLLECTIONS, tf.GraphKeys.GLOBAL_STEP):
        # To ask a map of protobuf for a key that is not there makes the key.
        values = meta.collection_def[key].bytes_list.value if key in meta.collection_def else ()
        for value in values:
            try:
                variable = variable_pb2.VariableDef.FromString(value)
            except DecodeError as error:
                raise CheckpointError(f"{path}: the collection {key!r} is damaged ({error}); "
                                      "copy the checkpoint again") from error
            found[graph_nodes.op_of(variable.initializer_name)] = None
    return list(found)


def _needed(nodes: Mapping[str, tf.NodeDef], roots: Iterable[str]) -> Set[str]:
    """The ops of the graph that some ops need, themselves included; names that no op has are left out."""
    seen: Set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            waiting += [graph_nodes.op_of(reference) for reference in nodes[name].input]
            waiting += graph_nodes.neighbours(nodes[name])
    return seen
