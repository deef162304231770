"""Folds as this project does, and numbers the new biases as the variable `ORDER` says."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import export

from .utils.graph_saver import load_model_from_meta, save_and_load_graph

ORDER = "AIMET_STAND_IN_ORDER"
REVERSED = "reversed"


def frozen(session: tf.Session, outputs: List[str]) -> tf.GraphDef:
    """The graph of a session with its values."""
    with tempfile.TemporaryDirectory() as folder, session.graph.as_default():
        tf.train.Saver().save(session, str(Path(folder) / "model"))
        return load.load_frozen(Path(folder) / "model", outputs)


def fold_all_batch_norms(sess: tf.Session, input_op_names: List[str],
                         output_op_names: List[str]) -> Tuple[tf.Session, List[Any]]:
    network = Network(frozen(sess, output_op_names), input_op_names, output_op_names)
    folded = fold.fold_batch_norms(network)
    graph = folded.graph
    if os.environ.get(ORDER) == REVERSED:
        graph = renumbered(graph)
    with tempfile.TemporaryDirectory() as folder:
        export.write_checkpoint(graph, Path(folder))
        with load_model_from_meta(str(Path(folder) / f"{export.PREFIX}.meta")) as session:
            return save_and_load_graph("./temp_bn_fold", session), list(folded.folded)


def numbers_reversed(graph: tf.GraphDef) -> Dict[str, str]:
    """For each new bias and BiasAdd of a folded graph the name that it has where they are numbered from the end."""
    pairs = []
    for node in graph.node:
        if node.op == "BiasAdd" and re.match(r"bias_value(_\d+)?$", node.name):
            pairs.append((node.input[1].split("/")[0], node.name))
    return {old: new for pair, other in zip(pairs, reversed(pairs)) for old, new in zip(pair, other)}


def renumbered(graph: tf.GraphDef) -> tf.GraphDef:
    """The same graph with its new biases numbered from the end."""
    return renamed(graph, numbers_reversed(graph))


def renamed(graph: tf.GraphDef, names: Dict[str, str]) -> tf.GraphDef:
    """The same graph with other names for some ops, and for what lies in their scopes."""

    def name_of(reference: str) -> str:
        control, name = ("^", reference[1:]) if reference.startswith("^") else ("", reference)
        first, rest = re.match(r"([^/:]*)(.*)", name).groups()  # type: ignore[union-attr]
        return control + names.get(first, first) + rest

    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        node.name = name_of(node.name)
        node.input[:] = [name_of(reference) for reference in node.input]
    return result
