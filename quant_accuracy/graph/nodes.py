"""Finding one's way in a GraphDef: names, consumers, constants, and the network between two points."""

import functools
import operator
from typing import AbstractSet, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.near import near as names_near

# Ops that multiply by weights, and which of their inputs these are.
LINEAR = {"Conv2D": 1, "DepthwiseConv2dNative": 1, "MatMul": 1, "Conv2DBackpropInput": 1, "Conv3D": 1, "BatchMatMul": 1,
          "BatchMatMulV2": 1}

_BESIDE = "loc:@"
# A constant may be written as one value and a shape: a few bytes that become any number of bytes.
_LARGEST_CONSTANT = 1 << 28


class Use(NamedTuple):
    """One place where a tensor is consumed: input number `position` of `node`."""

    node: tf.NodeDef
    position: int


def op_of(reference: str) -> str:
    """The op that an input reference such as `name`, `name:1` or `^name` points at."""
    return reference.lstrip("^").split(":")[0]


def tensor_of(reference: str) -> str:
    """The full tensor name of a data input reference: `name` is `name:0`."""
    return reference if ":" in reference else reference + ":0"


def data_inputs(node: tf.NodeDef) -> List[str]:
    """The tensors that a node takes; control inputs do not count."""
    return [reference for reference in node.input if not reference.startswith("^")]


def neighbours(node: tf.NodeDef) -> List[str]:
    """The ops that a node wants to be on one device with; TensorFlow takes them for needed when it cuts a graph.

    Raises:
        GraphError: What says so is no text.
    """
    try:
        values = [value.decode("utf-8") for value in node.attr["_class"].list.s] if "_class" in node.attr else []
    except UnicodeDecodeError as error:
        raise GraphError(f"the attribute _class of the op {node.name!r} is not text; "
                         "copy the checkpoint again") from error
    return [value[len(_BESIDE):] for value in values if value.startswith(_BESIDE)]


def by_name(graph: tf.GraphDef) -> Dict[str, tf.NodeDef]:
    """The nodes of a graph by name."""
    return {node.name: node for node in graph.node}


def uses(nodes: Iterable[tf.NodeDef]) -> Dict[str, List[Use]]:
    """Where each tensor is consumed, by tensor name; control inputs do not count."""
    found: Dict[str, List[Use]] = {}
    for node in nodes:
        for position, reference in enumerate(node.input):
            if not reference.startswith("^"):
                found.setdefault(tensor_of(reference), []).append(Use(node, position))
    return found


def require(nodes: Mapping[str, tf.NodeDef], names: Iterable[str]) -> None:
    """Check that the named ops exist.

    Raises:
        GraphError: One does not; the message suggests near names.
    """
    for name in names:
        if name not in nodes:
            raise GraphError(f"the graph has no op {name!r}; correct the name in the model card{near(nodes, name)}")


def near(nodes: Mapping[str, tf.NodeDef], name: str) -> str:
    """The names of ops that are spelled nearly so, as a question; empty where there are none."""
    found = names_near(name, nodes, 3)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def needed(nodes: Mapping[str, tf.NodeDef], roots: Iterable[str], stop: Optional[str] = None) -> Set[str]:
    """The names of all ops that some ops need, themselves included; what only `stop` needs is left out."""
    return reach(list(roots), lambda name: [] if name == stop
                  else [op_of(reference) for reference in nodes[name].input])


def constant(nodes: Mapping[str, tf.NodeDef], reference: str) -> np.ndarray:
    """The value behind a reference to a constant, possibly through Identity ops.

    Raises:
        GraphError: It is not a constant, or is much larger than its values.
    """
    node = constant_node(nodes, reference)
    require_values(node)
    return tf.make_ndarray(node.attr["value"].tensor)


def size_of(sides: Iterable[int]) -> int:
    """How many values a shape holds, in whole numbers of Python: those of a machine overflow."""
    return functools.reduce(operator.mul, sides, 1)


def require_values(node: tf.NodeDef) -> None:
    """Refuse a constant that is much larger in memory than in its file.

    Raises:
        GraphError: It is.
    """
    tensor = node.attr["value"].tensor
    sides = [side.size for side in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(side < 0 for side in sides) \
            or 8 * size_of(sides) > max(_LARGEST_CONSTANT, 8 * tensor.ByteSize()):
        raise GraphError(f"the constant {node.name!r} has the shape {sides}, which its values do not fill; "
                         "copy the checkpoint again")


def constant_node(nodes: Mapping[str, tf.NodeDef], reference: str) -> tf.NodeDef:
    """The Const node behind a reference, possibly through Identity ops.

    Raises:
        GraphError: It is not a constant.
    """
    node = _behind(nodes, reference)
    if node.op != "Const":
        raise GraphError(f"{reference} is computed by {node.op} {node.name!r}, from more than the checkpoint's values, "
                         f"and weights that change cannot be quantized as such; set quantization: {{overrides: "
                         f"{{\"{tensor_of(reference)}\": {{enabled: false}}}}}} in the model card")
    return node


def is_constant(nodes: Mapping[str, tf.NodeDef], reference: str) -> bool:
    """Whether there is a constant behind a reference, possibly through Identity ops."""
    return bool(_behind(nodes, reference).op == "Const")


def _behind(nodes: Mapping[str, tf.NodeDef], reference: str) -> tf.NodeDef:
    node = nodes[op_of(reference)]
    for _ in nodes:
        # Not without end: ops of a damaged graph may go in a circle.
        if node.op not in ("Identity", "Enter") or not node.input:
            break
        node = nodes[op_of(node.input[0])]
    return node


def const_node(name: str, value: np.ndarray) -> tf.NodeDef:
    """A Const node of the value's own dtype."""
    node = tf.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def float_node(name: str, op: str, inputs: Sequence[str]) -> tf.NodeDef:
    """A float32 node with the single type attribute `T`."""
    node = tf.NodeDef(name=name, op=op, input=inputs)
    node.attr["T"].type = tf.float32.as_datatype_enum
    return node


def fresh_name(taken: AbstractSet[str], name: str) -> str:
    """A name that no op has, as TensorFlow makes it: the first one bare, the others numbered.

    Args:
        taken: The names of all ops in lower case: TensorFlow does not tell names apart that differ in case alone.
        name: The name that is wanted.
    """
    fresh, number = name, 0
    while fresh.lower() in taken:
        number += 1
        fresh = f"{name}_{number}"
    return fresh


def subgraph(graph: tf.GraphDef, outputs: Sequence[str]) -> tf.GraphDef:
    """The part of a graph that the named ops need, in the graph's order."""
    require(by_name(graph), outputs)
    return tf.graph_util.extract_sub_graph(graph, list(outputs))


def between(graph: tf.GraphDef, starts: Sequence[str], outputs: Sequence[str]) -> List[tf.NodeDef]:
    """The ops on the ways from `starts` (themselves left out) to the output ops, every op after the ops that it needs.

    Raises:
        GraphError: A named op is missing, or there is no way to one of the outputs, or from one of the starts.
    """
    nodes = by_name(graph)
    require(nodes, [*starts, *outputs])
    before = reach(outputs, lambda name: [op_of(reference) for reference in nodes[name].input])
    # A way to an output passes nothing else, and most of a graph lies behind the outputs.
    consumers: Dict[str, List[str]] = {}
    for name in before:
        for reference in nodes[name].input:
            consumers.setdefault(op_of(reference), []).append(name)
    after = reach(starts, lambda name: consumers.get(name, ()))
    for output in outputs:
        if output not in after or output in starts:
            raise GraphError(f"{_no_way(starts)} to the output op {output!r}; "
                             "correct starting_op or output_ops in the model card")
    for start in starts:
        if start not in before:
            raise GraphError(f"the starting op {start!r} leads to none of the output ops {', '.join(outputs)}; "
                             "take it out of starting_op in the model card")
    return [nodes[name] for name in _topological(nodes, after & before, outputs) if name not in starts]


def _no_way(starts: Sequence[str]) -> str:
    if len(starts) == 1:
        return f"the starting op {starts[0]!r} does not lead"
    return f"none of the starting ops {', '.join(starts)} leads"


def reach(roots: Iterable[str], step: Callable[[str], Iterable[str]]) -> Set[str]:
    """The names that steps lead to from some names, those included."""
    stack = list(roots)
    seen = set(stack)
    while stack:
        for name in step(stack.pop()):
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return seen


def _topological(nodes: Mapping[str, tf.NodeDef], inside: Set[str], outputs: Sequence[str]) -> List[str]:
    order: List[str] = []
    done: Set[str] = set()
    stack: List[Tuple[str, bool]] = [(output, False) for output in reversed(outputs)]
    while stack:
        name, ready = stack.pop()
        if ready:
            order.append(name)
        elif name in inside and name not in done:
            done.add(name)
            stack.append((name, True))
            stack.extend((op_of(reference), False) for reference in reversed(nodes[name].input))
    return order
