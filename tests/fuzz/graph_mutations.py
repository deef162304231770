"""Damage to a graph that leaves it a valid message."""

from random import Random

import tensorflow.compat.v1 as tf

from quant_accuracy.freezing import op_types
from tests.fuzz import mutations


def damaged_meta(random: Random, graph: tf.MetaGraphDef) -> bytes:
    """A graph with some of its ops, inputs, attributes, constants and records damaged, still a valid message."""
    meta = tf.MetaGraphDef.FromString(graph.SerializeToString())
    for _ in range(random.choice((1, 1, 2, 5))):
        nodes = meta.graph_def.node
        if nodes:
            random.choice(_GRAPH_DAMAGE)(random, meta, random.choice(nodes), random.choice(nodes))
    return bytes(meta.SerializeToString())


def _change_op(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    node.op = random.choice((other.op, "Const", "Placeholder", "Identity", "Relu", "NoOp", "ReadFile", "Nothing", "",
                             "VariableV2", "VarHandleOp", "ReadVariableOp", "Conv2D", "FusedBatchNormV3", "Enter",
                             random.choice(sorted(op_types.HARMLESS))))


def _change_input(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    new = random.choice((other.name, f"{other.name}:1", f"{other.name}:99999999999", f"{other.name}:x",
                         f"^{other.name}", node.name, "", "^", ":0", "nothing", "a:b:c"))
    if node.input and random.randrange(3):
        node.input[random.randrange(len(node.input))] = new
    else:
        node.input.append(new)


def _drop_input(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, __: tf.NodeDef) -> None:
    if node.input:
        del node.input[random.randrange(len(node.input))]


def _change_attribute(random: Random, _: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    if not node.attr:
        return
    name = random.choice(sorted(node.attr))
    attr = node.attr[name]
    kind = random.randrange(8)
    if kind == 0:
        del node.attr[name]
    elif kind == 1 and other.attr:
        attr.CopyFrom(other.attr[random.choice(sorted(other.attr))])
    elif kind == 2:
        attr.i = random.choice((0, -1, 2 ** 31, 2 ** 62, -2 ** 63))
    elif kind == 3:
        attr.type = random.choice((0, 1, 3, 7, 9, 20, 21, 101, 999))
    elif kind == 4:
        attr.s = random.choice((b"", b"VALID", b"\xff\xfe", b"x" * 10000))
    elif kind == 5:
        attr.f = random.choice((float("nan"), float("inf"), -1.0))
    elif kind == 6:
        attr.list.i.extend(random.choice(([], [0], [1, 0, 0, 1], [2 ** 40] * 4, [1] * 1000)))
    else:
        attr.shape.dim.add(size=random.choice((-2, 0, 2 ** 62)))


def _change_constant(random: Random, meta: tf.MetaGraphDef, _: tf.NodeDef, __: tf.NodeDef) -> None:
    node = random.choice([node for node in meta.graph_def.node if node.op == "Const"] or [tf.NodeDef()])
    tensor = node.attr["value"].tensor
    kind = random.randrange(6)
    if kind == 0:
        tensor.tensor_shape.dim.add(size=random.choice((-1, 0, 2, 10 ** 6, 2 ** 31, 2 ** 40, 2 ** 62)))
    elif kind == 1 and tensor.tensor_shape.dim:
        tensor.tensor_shape.dim[0].size = random.choice((-1, 0, 1, 7, 10 ** 7, 10 ** 9, 2 ** 62))
    elif kind == 2:
        tensor.tensor_content = mutations.any_bytes(random, tensor.tensor_content)
    elif kind == 3:
        tensor.dtype = random.choice((0, 1, 3, 7, 9, 23, 999))
    elif kind == 4:
        tensor.ClearField("tensor_content")
        tensor.int_val.append(random.choice((-1, 0, 2 ** 31 - 1)))
    else:
        tensor.string_val.append(b"\xff")


def _change_nodes(random: Random, meta: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    kind = random.randrange(4)
    if kind == 0:
        meta.graph_def.node.remove(node)
    elif kind == 1:
        meta.graph_def.node.add().CopyFrom(node)
    elif kind == 2:
        node.name = random.choice((other.name, "", "/", "a b", "x" * 10000, "é", "a:0", "^a"))
    else:
        node.device = random.choice(("/gpu:7", "/job:worker/task:9", "nowhere", "\0"))


def _change_records(random: Random, meta: tf.MetaGraphDef, node: tf.NodeDef, other: tf.NodeDef) -> None:
    kind = random.randrange(5)
    if kind == 0:
        meta.saver_def.restore_op_name = random.choice((node.name, "", "nothing"))
    elif kind == 1:
        meta.saver_def.filename_tensor_name = random.choice((node.name, "", "nothing"))
    elif kind == 2 and "variables" in meta.collection_def:
        values = meta.collection_def["variables"].bytes_list.value
        values[0] = mutations.any_bytes(random, values[0])
    elif kind == 3:
        meta.graph_def.versions.producer = random.choice((0, -1, 5, 10 ** 6))
        meta.graph_def.versions.min_consumer = random.choice((0, 10 ** 6))
    else:
        function = meta.graph_def.library.function.add()
        function.signature.name = random.choice(("f", "Relu6", ""))
        function.node_def.add().CopyFrom(other)


_GRAPH_DAMAGE = (_change_op, _change_input, _change_input, _drop_input, _change_attribute, _change_attribute,
                 _change_attribute, _change_constant, _change_constant, _change_nodes, _change_records)
