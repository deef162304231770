"""The files of AIMET's `export`: a checkpoint of the folded network with float weights, and the encodings.

AIMET keeps quantization out of what it exports: the runtime of the target reads the float weights and the encodings
side by side. So the constants of the folded graph become variables again.
"""

from pathlib import Path
from typing import Dict, List

import numpy as np
import tensorflow.compat.v1 as tf
import yaml
from tensorflow.core.framework import variable_pb2

from quant_accuracy.base import files
from quant_accuracy.graph import nodes as graph_nodes

PREFIX = "model"


def write_checkpoint(graph: tf.GraphDef, folder: Path) -> List[Path]:
    """Write `model.meta`, `model.index`, `model.data-00000-of-00001` and `checkpoint`, all or none.

    Args:
        graph: The frozen graph, batch norms folded, weights in floating point.
        folder: Where the files go.

    Returns:
        The files.
    """
    values = _weights(graph)
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(_with_variables(graph, values), name="")
        for name in values:
            record = variable_pb2.VariableDef(variable_name=f"{name}:0", initializer_name=f"{name}/Assign",
                                              initial_value_name=f"{name}/initial_value:0",
                                              snapshot_name=f"{name}/read:0", trainable=True)
            tf.add_to_collection(tf.GraphKeys.GLOBAL_VARIABLES, tf.Variable.from_proto(record))
        saver = tf.train.Saver(save_relative_paths=True)
        with tf.Session(graph=scope) as session, files.scratch_for(folder, last=".index") as scratch:
            initial = {f"{name}/initial_value:0": value for name, value in values.items()}
            session.run([f"{name}/Assign" for name in values], initial)
            saver.save(session, str(scratch / PREFIX))
            names = sorted(path.name for path in scratch.iterdir())
    return [folder / name for name in names]


def write_yaml(encodings: Path, target: Path) -> None:
    """Write an encodings file once more as YAML, as AIMET does."""
    document = yaml.safe_load(encodings.read_text(encoding="utf-8"))
    files.write_text(target, yaml.safe_dump(document))


def _weights(graph: tf.GraphDef) -> Dict[str, np.ndarray]:
    """The constants that were variables: those that are read through `<name>/read`."""
    reads = {node.name for node in graph.node if node.op == "Identity"
             and list(node.input) == [node.name[:-len("/read")]]}
    return {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in graph.node
            if node.op == "Const" and f"{node.name}/read" in reads}


def _with_variables(graph: tf.GraphDef, values: Dict[str, np.ndarray]) -> tf.GraphDef:
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.name not in values:
            result.node.add().CopyFrom(node)
            continue
        value = values[node.name]
        variable = tf.NodeDef(name=node.name, op="VariableV2")
        variable.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        variable.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
        # Zeros, and those not one by one: the weights are in the checkpoint.
        shape = graph_nodes.const_node(f"{node.name}/initial_value/dims", np.array(value.shape, np.int32))
        zero = graph_nodes.const_node(f"{node.name}/initial_value/zero", value.dtype.type(0))
        initial = tf.NodeDef(name=f"{node.name}/initial_value", op="Fill", input=[shape.name, zero.name])
        assign = tf.NodeDef(name=f"{node.name}/Assign", op="Assign", input=[node.name, initial.name])
        for typed in (initial, assign):
            typed.attr["T"].type = variable.attr["dtype"].type
        result.node.extend([variable, shape, zero, initial, assign])
    return result
