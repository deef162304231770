"""The files of AIMET's `export`: a checkpoint of the folded network with float weights, and the encodings.

AIMET keeps quantization out of what it exports: the runtime of the target reads the float weights and the encodings
side by side. So the constants of the folded graph become variables again.
"""

import re
from pathlib import Path
from typing import AbstractSet, Dict, List, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
import yaml
from tensorflow.core.framework import variable_pb2

from quant_accuracy.base import files
from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

PREFIX = "model"
_READ_REFERENCE, _READ_RESOURCE = "read", "Read/ReadVariableOp"
_READING = re.compile(r"(^|/)ReadVariableOp(_\d+)?$")


def write_checkpoint(graph: tf.GraphDef, folder: Path) -> List[Path]:
    """Write `model.meta`, `model.index`, `model.data-00000-of-00001` and `checkpoint`, all or none.

    Args:
        graph: The frozen graph, batch norms folded, weights in floating point.
        folder: Where the files go.

    Returns:
        The files.

    Raises:
        GraphError: Nothing in the graph is read as a variable.
    """
    variables = _variables(graph)
    if not variables:
        raise GraphError("the network reads no weights as variables, so there is no checkpoint of it to export; leave "
                         "--quantsim-output-dir out, or export the checkpoint with its weights as variables")
    meta = tf.MetaGraphDef(graph_def=_with_variables(graph, variables))
    for variable in variables:
        record = variable_pb2.VariableDef(variable_name=f"{variable.name}:0", trainable=True,
                                          initializer_name=f"{variable.name}/Assign",
                                          initial_value_name=f"{variable.name}/initial_value:0",
                                          snapshot_name=f"{variable.snapshot}:0", is_resource=variable.resource)
        meta.collection_def[tf.GraphKeys.GLOBAL_VARIABLES].bytes_list.value.append(record.SerializeToString())
    with tf.Graph().as_default() as scope:
        tf.train.import_meta_graph(meta)
        saver = tf.train.Saver(save_relative_paths=True)
        with tf.Session(graph=scope) as session, files.scratch_for(folder, last=".index") as scratch:
            initial = {f"{variable.name}/initial_value:0": variable.value for variable in variables}
            session.run([f"{variable.name}/Assign" for variable in variables], initial)
            saver.save(session, str(scratch / PREFIX))
            names = sorted(path.name for path in scratch.iterdir())
    return [folder / name for name in names]


def write_yaml(encodings: Path, target: Path) -> None:
    """Write an encodings file once more as YAML, as AIMET does."""
    document = yaml.safe_load(encodings.read_text(encoding="utf-8"))
    files.write_text(target, yaml.safe_dump(document))


class _Variable(NamedTuple):
    """A constant that was a variable.

    Attributes:
        name: Its op.
        value: What it holds.
        readers: The ops that read it.
        resource: Whether it was a resource, read by ops of type ReadVariableOp; otherwise a reference.
    """

    name: str
    value: np.ndarray
    readers: Sequence[str]
    resource: bool

    @property
    def snapshot(self) -> str:
        """The op that TensorFlow looks for when it makes a variable from its record."""
        return f"{self.name}/{_READ_RESOURCE if self.resource else _READ_REFERENCE}"


def _variables(graph: tf.GraphDef) -> List[_Variable]:
    """The constants that were variables: those that are read through `<name>/read` or through a `.../ReadVariableOp`.

    These are the names that TensorFlow gives to what reads a reference, or a resource, of which each layer has its own.
    """
    readers: Dict[str, List[str]] = {}
    for node in graph.node:
        if node.op == "Identity" and len(node.input) == 1:
            name = graph_nodes.op_of(node.input[0])
            if node.name == f"{name}/{_READ_REFERENCE}" or _READING.search(node.name):
                readers.setdefault(name, []).append(node.name)
    # Without either, as a network of references without readers has it, the weights of convolutions are what there is.
    readers = readers or {name: [f"{name}/{_READ_REFERENCE}"] for name in _weights(graph)}
    return [_Variable(node.name, tf.make_ndarray(node.attr["value"].tensor), readers[node.name],
                      f"{node.name}/{_READ_REFERENCE}" not in readers[node.name])
            for node in graph.node if node.op == "Const" and node.name in readers]


def _weights(graph: tf.GraphDef) -> List[str]:
    taken = [graph_nodes.op_of(node.input[1]) for node in graph.node
             if (node.op == "BiasAdd" or graph_nodes.LINEAR.get(node.op) == 1) and len(node.input) > 1]
    return list(dict.fromkeys(taken))


def _with_variables(graph: tf.GraphDef, variables: Sequence[_Variable]) -> tf.GraphDef:
    known = {variable.name: variable for variable in variables}
    readers = {reader for variable in variables if variable.resource for reader in variable.readers}
    there = set(graph_nodes.by_name(graph))
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        if node.name in known:
            result.node.extend(_nodes_of(known[node.name], there))
            continue
        copy = result.node.add()
        copy.CopyFrom(node)
        if node.name in readers:
            copy.op = "ReadVariableOp"
            copy.attr["dtype"].CopyFrom(copy.attr.pop("T"))
            continue
        for position, reference in enumerate(node.input):
            # What took the constant itself takes a resource's value, not the resource.
            taken = known.get(graph_nodes.op_of(reference))
            if taken is not None and taken.resource and not reference.startswith("^"):
                copy.input[position] = taken.snapshot
    return result


def _nodes_of(variable: _Variable, there: AbstractSet[str]) -> List[tf.NodeDef]:
    """A variable's op, its initializer, and what reads it if that is not there."""
    name, value = variable.name, variable.value
    dtype = tf.as_dtype(value.dtype).as_datatype_enum
    op = tf.NodeDef(name=name, op="VarHandleOp" if variable.resource else "VariableV2")
    op.attr["dtype"].type = dtype
    op.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    # Zeros, and those not one by one: the weights are in the checkpoint.
    shape = graph_nodes.const_node(f"{name}/initial_value/dims", np.array(value.shape, np.int32))
    zero = graph_nodes.const_node(f"{name}/initial_value/zero", value.dtype.type(0))
    initial = tf.NodeDef(name=f"{name}/initial_value", op="Fill", input=[shape.name, zero.name])
    initial.attr["T"].type = dtype
    assign = tf.NodeDef(name=f"{name}/Assign", op="AssignVariableOp" if variable.resource else "Assign",
                        input=[name, initial.name])
    assign.attr["dtype" if variable.resource else "T"].type = dtype
    made = [op, shape, zero, initial, assign]
    if variable.resource:
        # Two resources without a name of their own would be one.
        op.attr["shared_name"].s = name.encode("utf-8")
    if variable.snapshot not in there:
        read = tf.NodeDef(name=variable.snapshot, op="ReadVariableOp" if variable.resource else "Identity",
                          input=[name])
        read.attr["dtype" if variable.resource else "T"].type = dtype
        made.append(read)
    return made
