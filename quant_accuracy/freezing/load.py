"""From a checkpoint to a frozen float graph, without a session: variables become constants.

The graph comes from elsewhere: nothing of it is run here, and what would be run later is looked at first.
"""

from collections import Counter
from pathlib import Path
from typing import Callable, Sequence

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from quant_accuracy.base.checkpoint_parts import checkpoint_files, existing
from quant_accuracy.base.errors import CheckpointError, GraphError, first_line
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.freezing import conds, fake_quantization, freeze, inference, trust, variables
from quant_accuracy.graph import boundaries
from quant_accuracy.graph import nodes as graph_nodes

_MERGES, _NEXT_ITERATIONS = ("Merge", "RefMerge"), ("NextIteration", "RefNextIteration")
_TF1_CONTROL_FLOW = "with the control flow of TensorFlow 1 (tf.disable_v2_behavior() or " \
                    "tf.disable_control_flow_v2() before the network is built)"
# tf.switch_case is a Case under either control flow.
_OF_FUNCTIONS = {**dict.fromkeys(("If", "StatelessIf", "While", "StatelessWhile", "For"), _TF1_CONTROL_FLOW),
                 **dict.fromkeys(("Case", "StatelessCase"),
                                 "with tf.case in place of tf.switch_case, and " + _TF1_CONTROL_FLOW)}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient")


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
    values = variables.read(prefix, meta, document, graph)
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
    """No branch, no loop and no layer is a function, as TensorFlow 2 writes them: quantizers cannot stand in one."""
    nodes = graph_nodes.by_name(graph)
    functions = {function.signature.name for function in graph.library.function}
    for node in (nodes[name] for name in sorted(graph_nodes.needed(nodes, outputs))):
        if node.op in _OF_FUNCTIONS:
            raise GraphError(f"{path}: the op {node.name!r} is a {node.op}, whose branches are functions; export the "
                             f"checkpoint again {_OF_FUNCTIONS[node.op]}")
        if node.op in functions or (node.op in _CALLS and "f" in node.attr):
            raise GraphError(f"{path}: the op {node.name!r} is a {node.op}, the call of a function, in which no layer "
                             "can be quantized; export the checkpoint again without tf.function and Defun around "
                             "layers (tf.config.experimental_run_functions_eagerly(True) before the network is built)")


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
                raise GraphError(f"{path}: the attribute {key} of the op {node.name!r} is not text; "
                                 "copy the checkpoint again") from error
    try:
        with tf.Graph().as_default():
            tf.import_graph_def(graph, name="")
    except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise GraphError(f"{path}: TensorFlow cannot build the graph ({first_line(error)}); export the checkpoint "
                         "again") from error
