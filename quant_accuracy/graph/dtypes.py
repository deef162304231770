"""The dtypes of an op's outputs, as TensorFlow's own registry of ops says them; nothing is built for it."""

from typing import List, Mapping, Optional

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.framework import op_def_registry

from quant_accuracy.base.errors import GraphError


def output_dtypes(node: tf.NodeDef) -> List[tf.DType]:
    """The dtype of each output of an op; that of a reference is the dtype of what it refers to.

    Raises:
        GraphError: TensorFlow does not know the op's type, or the op lacks an attribute that its type has.
    """
    definition = definition_of(node.op)
    if definition is None:
        raise GraphError(f"the op {node.name!r} is a {node.op}, which TensorFlow {tf.__version__} does not know; "
                         "export the checkpoint again, with the ops of this version")
    found: List[tf.DType] = []
    for output in definition.output_arg:
        if output.type_list_attr:
            found += _attribute(node, definition, output.type_list_attr).list.type
        else:
            dtype = _attribute(node, definition, output.type_attr).type if output.type_attr else output.type
            count = _attribute(node, definition, output.number_attr).i if output.number_attr else 1
            found += [dtype] * count
    return [tf.as_dtype(dtype).base_dtype for dtype in found]


def definition_of(op: str) -> Optional[op_def_pb2.OpDef]:
    """What TensorFlow's registry says of a type of op; None where it does not know it."""
    if hasattr(op_def_registry, "get_registered_ops"):
        return op_def_registry.get_registered_ops().get(op)
    # Since TensorFlow 2.1, which asks its libraries for one at a time.
    return op_def_registry.get(op)


def output_dtype(node: tf.NodeDef, index: int = 0) -> tf.DType:
    """The dtype of one output of an op.

    Raises:
        GraphError: As `output_dtypes`, or the op has no such output.
    """
    found = output_dtypes(node)
    if index >= len(found):
        raise GraphError(f"the op {node.name!r}, a {node.op}, has no output {index}; correct the tensor's name")
    return found[index]


def of_tensor(nodes: Mapping[str, tf.NodeDef], tensor: str) -> tf.DType:
    """The dtype of a tensor: `name:1` is the second output of an op.

    Raises:
        GraphError: As `output_dtype`.
    """
    op, _, index = tensor.partition(":")
    return output_dtype(nodes[op], int(index or 0))


def _attribute(node: tf.NodeDef, definition: op_def_pb2.OpDef, name: str) -> tf.AttrValue:
    # To ask a node for an attribute that it does not have would give it one; exports may leave out defaults.
    if name in node.attr:
        return node.attr[name]
    (declared,) = [attribute for attribute in definition.attr if attribute.name == name]
    if not declared.HasField("default_value"):
        raise GraphError(f"the op {node.name!r}, a {node.op}, has no attribute {name}; export the checkpoint again")
    return declared.default_value
