"""Cutting a MetaGraph down to a network, so that what works node by node has fewer nodes to work on."""

from typing import List, Sequence, Set

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import variable_pb2

from quant_accuracy.graph import nodes as graph_nodes

_VARIABLE_COLLECTIONS = (
    tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.LOCAL_VARIABLES, tf.GraphKeys.TRAINABLE_VARIABLES,
    tf.GraphKeys.MODEL_VARIABLES, tf.GraphKeys.MOVING_AVERAGE_VARIABLES, tf.GraphKeys.METRIC_VARIABLES,
    tf.GraphKeys.GLOBAL_STEP,
)


def prune_meta_graph(meta: tf.MetaGraphDef, outputs: Sequence[str]) -> tf.MetaGraphDef:
    """Keep what the output ops, the saver and the kept variables' initializers need, and drop all else.

    All variables of the saver stay, so that it restores from its checkpoint as before. Signatures, assets, collections
    that hold neither variables nor nodes, and colocation constraints are dropped.

    Args:
        meta: What a checkpoint's `.meta` file holds; it stays as it is.
        outputs: Names of ops.

    Raises:
        GraphError: An output op is missing.
    """
    variables = [variable for key in _VARIABLE_COLLECTIONS for variable in _variables(meta, key)]
    graph = _with_initializers(_without_colocation(meta.graph_def), [*outputs, *_saver_ops(meta)], variables)
    names = {node.name for node in graph.node}
    pruned = tf.MetaGraphDef(meta_info_def=meta.meta_info_def, graph_def=graph)
    if meta.HasField("saver_def"):
        pruned.saver_def.CopyFrom(meta.saver_def)
    _copy_collections(meta, pruned, names)
    return pruned


def _variables(meta: tf.MetaGraphDef, key: str) -> List[variable_pb2.VariableDef]:
    if key not in meta.collection_def:
        return []
    return [variable_pb2.VariableDef.FromString(value) for value in meta.collection_def[key].bytes_list.value]


def _saver_ops(meta: tf.MetaGraphDef) -> List[str]:
    saver = meta.saver_def
    tensors = (saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name)
    return [graph_nodes.op_of(tensor) for tensor in tensors if tensor]


def _with_initializers(graph: tf.GraphDef, roots: Sequence[str],
                       variables: Sequence[variable_pb2.VariableDef]) -> tf.GraphDef:
    """The part of the graph that the roots need, with all that its variables are initialized with and read by."""
    there = set(graph_nodes.by_name(graph))
    wanted = list(roots)
    while True:
        kept = graph_nodes.subgraph(graph, wanted)
        names = {node.name for node in kept.node}
        # An initial value may read another variable, which then has an initializer of its own.
        more = {op for variable in variables if graph_nodes.op_of(variable.variable_name) in names
                for op in _ops_of(variable)} & there - names
        if not more:
            return kept
        wanted += sorted(more)


def _ops_of(variable: variable_pb2.VariableDef) -> Set[str]:
    """The ops that TensorFlow looks up when it makes a variable from its record."""
    tensors = [variable.variable_name, variable.initializer_name, variable.initial_value_name, variable.snapshot_name]
    if variable.is_resource and not variable.snapshot_name:
        tensors.append(f"{graph_nodes.op_of(variable.variable_name)}/Read/ReadVariableOp:0")
    return {graph_nodes.op_of(tensor) for tensor in tensors if tensor}


def _without_colocation(graph: tf.GraphDef) -> tf.GraphDef:
    # TensorFlow takes a node's neighbours for needed, and with them variables that no checkpoint restores.
    copy = tf.GraphDef()
    copy.CopyFrom(graph)
    for node in copy.node:
        node.attr.pop("_class", None)
    return copy


def _copy_collections(meta: tf.MetaGraphDef, pruned: tf.MetaGraphDef, names: Set[str]) -> None:
    for key, collection in meta.collection_def.items():
        if key in _VARIABLE_COLLECTIONS:
            variables = [variable.SerializeToString() for variable in _variables(meta, key)
                         if _ops_of(variable) <= names]
            if variables:
                pruned.collection_def[key].bytes_list.value.extend(variables)
        elif collection.WhichOneof("kind") == "node_list":
            nodes = [node for node in collection.node_list.value if graph_nodes.op_of(node) in names]
            if nodes:
                pruned.collection_def[key].node_list.value.extend(nodes)
