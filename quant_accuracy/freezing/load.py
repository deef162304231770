"""From a checkpoint to a frozen float graph, without a session: variables become constants.

Which variable takes which tensor of the checkpoint is read from the restore ops that TensorFlow's Saver left in the
graph, so that a Saver with renamed variables (moving averages, say) is followed too. The graph comes from elsewhere:
nothing of it is run here, and what would be run later is looked at first.
"""

from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from quant_accuracy.base.checkpoint_parts import checkpoint_files, data_files, existing
from quant_accuracy.base.errors import CheckpointError, GraphError, first_line
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.freezing import conds, fake_quantization, freeze, index_file, inference, trust
from quant_accuracy.graph import boundaries
from quant_accuracy.graph import nodes as graph_nodes

_MERGES, _NEXT_ITERATIONS = ("Merge", "RefMerge"), ("NextIteration", "RefNextIteration")
_OF_FUNCTIONS = ("If", "StatelessIf", "While", "StatelessWhile", "Case", "For")


def load_graph(prefix: Path) -> tf.GraphDef:
    """The graph of a checkpoint as it stands there, with nothing known of its values.

    Raises:
        CheckpointError: A file is missing or damaged.
        GraphError: An op takes what no op gives.
    """
    meta = checkpoint_files(prefix)[0]
    graph = _read_meta(meta).graph_def
    _check_references(meta, graph)
    return graph


def load_network(prefix: Path, names: GraphNames, trusted: bool = False) -> tf.GraphDef:
    """The graph of a detector: as `load_frozen` for what a model card names, all of it checked first.

    Raises:
        CheckpointError: As `load_frozen`.
        GraphError: As that, or an op that is named does not bound the network, or images are not all that is fed.
    """
    meta = checkpoint_files(prefix)[0]
    document = _read_meta(meta)
    _check_references(meta, document.graph_def)
    ends = [*names.output_ops, *names.detections]
    there = graph_nodes.by_name(document.graph_def)
    _for_inference(meta, document, [name for name in ends if name in there])
    # As it runs: what only training needs is not part of the network.
    boundaries.check(document.graph_def, names)
    frozen = _frozen(prefix, document, ends, trusted)
    boundaries.check_inputs(frozen, names)
    return frozen


def load_frozen(prefix: Path, outputs: Sequence[str], trusted: bool = False) -> tf.GraphDef:
    """The part of a checkpoint's graph that the output ops need, with every variable as a constant.

    Args:
        prefix: Prefix of the checkpoint's files.
        outputs: Names of ops.
        trusted: Leave out the check that nothing in the graph reaches outside.

    Raises:
        CheckpointError: A file is missing or damaged, or a weight is NaN or infinite.
        GraphError: An output op is missing, an op reaches outside or quantizes, or TensorFlow cannot build the graph.
    """
    meta = checkpoint_files(prefix)[0]
    document = _read_meta(meta)
    graph_nodes.require(graph_nodes.by_name(document.graph_def), outputs)
    _check_references(meta, document.graph_def)
    _for_inference(meta, document, outputs)
    return _frozen(prefix, document, outputs, trusted)


def _for_inference(path: Path, document: tf.MetaGraphDef, outputs: Sequence[str]) -> None:
    """Change the graph of a document so that it runs for inference."""
    document.graph_def.CopyFrom(_at(path, inference.to_inference, document.graph_def, outputs))


def _frozen(prefix: Path, document: tf.MetaGraphDef, outputs: Sequence[str], trusted: bool) -> tf.GraphDef:
    meta = existing(prefix, ".meta")
    fake_quantization.refuse(meta, document.graph_def, outputs)
    _check_functions(meta, document.graph_def, outputs)
    if not trusted:
        trust.check(meta, document, outputs)
    graph = graph_nodes.subgraph(document.graph_def, outputs)
    _check_constants(meta, graph)
    _check_built(meta, graph)
    values = _read_variables(prefix, graph, _restore_sources(meta, document))
    # Once more: a variable may have been what decides.
    frozen = _at(meta, conds.resolve, freeze.freeze(graph, values), outputs)
    return graph_nodes.subgraph(frozen, outputs)


def _at(path: Path, step: Callable[[tf.GraphDef, Sequence[str]], tf.GraphDef], graph: tf.GraphDef,
        outputs: Sequence[str]) -> tf.GraphDef:
    try:
        return step(graph, outputs)
    except GraphError as error:
        raise GraphError(f"{path}: {error}") from error


def _read_meta(path: Path) -> tf.MetaGraphDef:
    meta = tf.MetaGraphDef()
    try:
        meta.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise CheckpointError(f"{path}: not a readable MetaGraphDef ({error}); copy the checkpoint again") from error
    if not meta.graph_def.node:
        raise CheckpointError(f"{path}: holds no graph; copy the checkpoint again")
    return meta


def _check_references(path: Path, graph: tf.GraphDef) -> None:
    """Every op has a name of its own, and takes what some op gives; a loop is entered in one place."""
    ops = {node.name: node.op for node in graph.node}
    if len(ops) != len(graph.node):
        twice = next(name for name, count in Counter(node.name for node in graph.node).items() if count > 1)
        raise CheckpointError(f"{path}: the graph has two ops named {twice!r}; copy the checkpoint again")
    for node in graph.node:
        for reference in [*node.input, *graph_nodes.neighbours(node)]:
            if graph_nodes.op_of(reference) not in ops:
                raise GraphError(f"{path}: the op {node.name!r} takes {reference!r}, which no op gives; "
                                 "copy the checkpoint again")
        if node.op in _MERGES:
            comes_back = [ops[graph_nodes.op_of(source)] in _NEXT_ITERATIONS for source in node.input
                          if not source.startswith("^")]
            if any(comes_back) and comes_back.count(False) > 1:
                # TensorFlow ends the process when it meets one.
                raise GraphError(f"{path}: the loop at {node.name!r} is entered in more than one place; "
                                 "copy the checkpoint again")


def _check_functions(path: Path, graph: tf.GraphDef, outputs: Sequence[str]) -> None:
    """No branch and no loop is a function, as TensorFlow 2 writes them."""
    nodes = graph_nodes.by_name(graph)
    for node in (nodes[name] for name in sorted(graph_nodes.needed(nodes, outputs))):
        if node.op in _OF_FUNCTIONS:
            raise GraphError(f"{path}: the op {node.name!r} is a {node.op}, whose branches are functions; export the "
                             "checkpoint again with the control flow of TensorFlow 1 (tf.disable_v2_behavior() or "
                             "tf.disable_control_flow_v2() before the network is built)")


def _check_constants(path: Path, graph: tf.GraphDef) -> None:
    """No constant is much larger in memory than in the file."""
    for node in graph.node:
        if node.op == "Const":
            tensor = node.attr["value"].tensor if "value" in node.attr else tf.NodeDef().attr["value"].tensor
            if "dtype" not in node.attr or tensor.dtype != node.attr["dtype"].type:
                # TensorFlow ends the process when it meets one.
                raise GraphError(f"{path}: the constant {node.name!r} has values of another type than it says; "
                                 "copy the checkpoint again")
            try:
                graph_nodes.require_values(node)
            except GraphError as error:
                raise GraphError(f"{path}: {error}") from error


def _check_built(path: Path, graph: tf.GraphDef) -> None:
    """TensorFlow knows the types of all ops, and finds their attributes and shapes consistent."""
    for node in graph.node:
        for key, attribute in node.attr.items():
            try:
                attribute.s.decode("utf-8")
            except UnicodeDecodeError as error:
                # TensorFlow ends the process where it quotes one in a message.
                raise GraphError(f"{path}: the attribute {key} of the op {node.name!r} is no text; "
                                 "copy the checkpoint again") from error
    try:
        with tf.Graph().as_default():
            tf.import_graph_def(graph, name="")
    except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise GraphError(f"{path}: TensorFlow cannot build the graph ({first_line(error)}); export the checkpoint "
                         "again") from error


def _restore_sources(path: Path, meta: tf.MetaGraphDef) -> Dict[str, str]:
    """Which tensor of the checkpoint the Saver restores into each variable, as far as the graph says.

    A graph may hold the ops of several Savers; the one that wrote the checkpoint is named beside the graph.

    Raises:
        CheckpointError: The Saver's ops are not as TensorFlow makes them.
    """
    try:
        return _sources_of(meta)
    except (GraphError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: the ops that restore variables are damaged ({first_line(error)}); "
                              "copy the checkpoint again") from error


def _sources_of(meta: tf.MetaGraphDef) -> Dict[str, str]:
    nodes = graph_nodes.by_name(meta.graph_def)
    sources: Dict[str, str] = {}
    for node in _restored_by(nodes, meta.saver_def.restore_op_name):
        if node.op not in ("Assign", "AssignVariableOp") or len(node.input) < 2:
            continue
        source = node.input[1]
        for _ in nodes:
            # Not without end: what is damaged may go in a circle.
            if nodes[graph_nodes.op_of(source)].op != "Identity":
                break
            source = nodes[graph_nodes.op_of(source)].input[0]
        restore = nodes[graph_nodes.op_of(source)]
        if restore.op == "RestoreV2":
            names = graph_nodes.constant(nodes, restore.input[1])
            index = int(graph_nodes.tensor_of(source).rsplit(":", 1)[1])
            sources.setdefault(graph_nodes.op_of(node.input[0]), names[index].decode("utf-8"))
    return sources


def _restored_by(nodes: Mapping[str, tf.NodeDef], restore: str) -> List[tf.NodeDef]:
    """The ops that a Saver's restore op waits for."""
    found: Dict[str, tf.NodeDef] = {}
    waiting = [restore] if restore in nodes else []
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = nodes[name]
            waiting += [graph_nodes.op_of(source) for source in nodes[name].input if source.startswith("^")]
    return list(found.values())


def _read_variables(prefix: Path, graph: tf.GraphDef, sources: Mapping[str, str]) -> Dict[str, np.ndarray]:
    variables = [node for node in graph.node if node.op in boundaries.VARIABLES]
    index, *data = data_files(prefix)
    index_file.check(index)
    room = sum(path.stat().st_size for path in data)
    try:
        reader = tf.train.NewCheckpointReader(str(prefix))
        stored, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        values = {}
        for node in variables:
            source = sources.get(node.name, node.name)
            if source not in stored:
                raise CheckpointError(f"{prefix}: has no values for the variable {source!r} of its own graph; "
                                      "export the checkpoint again")
            if graph_nodes.size_of(stored[source]) * types[source].size > room:
                raise CheckpointError(f"{prefix}: the variable {source!r} is said to have the shape {stored[source]}, "
                                      f"which the .data-* files of {room} bytes cannot hold; copy the checkpoint again")
            values[node.name] = reader.get_tensor(source)
    except (tf.errors.OpError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{prefix}: the .index or .data-* files cannot be read ({first_line(error)}); "
                              "copy the checkpoint again") from error
    for name, value in values.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            bad = int((~np.isfinite(value)).sum())
            raise CheckpointError(f"{prefix}: {bad} of {value.size} values of {name!r} are NaN or infinite; "
                                  "train or export the checkpoint again")
    return values
