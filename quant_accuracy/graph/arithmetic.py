"""The value of what a graph computes from constants alone, such as the scale of a batch norm that is spelled out.

All in float32. A product takes its factors from the left to the right and roots last, however it is nested: so
`mean * (gamma * rsqrt(variance))` gives what the fused op gives when it is folded, to the last bit.
"""

from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

_PASSING = ("Identity", "Enter", "StopGradient", "Snapshot", "CheckNumerics", "EnsureShape", "PreventGradient")
_UNARY: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Neg": np.negative, "Sqrt": np.sqrt, "Square": np.square, "Abs": np.abs, "Exp": np.exp,
    "Rsqrt": lambda value: np.float32(1) / np.sqrt(value),
    "Reciprocal": np.reciprocal, "Inv": np.reciprocal,
}
_BINARY: Dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Add": np.add, "AddV2": np.add, "BiasAdd": np.add, "Sub": np.subtract, "RealDiv": np.divide, "Div": np.divide,
    "Pow": np.power, "Maximum": np.maximum, "Minimum": np.minimum, "SquaredDifference": lambda a, b: np.square(a - b),
}
_SHAPING: Dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "Reshape": lambda value, shape: np.reshape(value, shape),
    "ExpandDims": lambda value, axis: np.expand_dims(value, int(axis)),
    "BroadcastTo": lambda value, shape: np.broadcast_to(value, shape),
    "Fill": lambda shape, value: np.full(shape, value),
}
_ROOTS = ("Rsqrt", "Reciprocal", "Inv")
# A batch norm takes about ten ops; what is nested deeper is none, and what goes in a circle has no value.
_DEEPEST = 64


def value(nodes: Mapping[str, tf.NodeDef], reference: str) -> np.ndarray:
    """What a tensor is, computed from constants: float32, or the integers of a shape.

    Raises:
        GraphError: It depends on something else than constants, or on an op that is not known here.
    """
    return _value(nodes, reference, _DEEPEST)


def _value(nodes: Mapping[str, tf.NodeDef], reference: str, depth: int) -> np.ndarray:
    node = nodes[graph_nodes.op_of(reference)]
    if node.op == "Mul" and depth:
        early, late = _factors(nodes, reference, depth)
        return _checked(node, _product, [*early, *late])
    inputs = graph_nodes.data_inputs(node)
    if depth == 0 or graph_nodes.tensor_of(reference) != node.name + ":0":
        raise GraphError(f"{reference} is not a plain value")
    if node.op == "Const":
        return graph_nodes.constant(nodes, node.name)
    if node.op in _PASSING and len(inputs) == 1:
        return _value(nodes, inputs[0], depth - 1)
    if node.op in _UNARY and len(inputs) == 1:
        return _checked(node, _UNARY[node.op], _value(nodes, inputs[0], depth - 1))
    if node.op == "Squeeze" and len(inputs) == 1:
        axes = tuple(node.attr["squeeze_dims"].list.i) or None
        return _checked(node, np.squeeze, _value(nodes, inputs[0], depth - 1), axes)
    known = _BINARY.get(node.op) or _SHAPING.get(node.op)
    if known is not None and len(inputs) == 2:
        return _checked(node, known, *(_value(nodes, source, depth - 1) for source in inputs))
    raise GraphError(f"{reference} is computed by {node.op} {node.name!r}")


def _factors(nodes: Mapping[str, tf.NodeDef], reference: str,
             depth: int) -> Tuple[List[np.ndarray], List[np.ndarray]]:
    """The factors of nested products in their order, and those of them that are roots."""
    node = nodes[graph_nodes.op_of(reference)]
    if node.op == "Mul" and depth:
        early: List[np.ndarray] = []
        late: List[np.ndarray] = []
        for source in node.input:
            if not source.startswith("^"):
                found = _factors(nodes, source, depth - 1)
                early += found[0]
                late += found[1]
        return early, late
    known = _value(nodes, reference, depth)
    return ([], [known]) if node.op in _ROOTS else ([known], [])


def _product(values: List[np.ndarray]) -> np.ndarray:
    result = values[0]
    for factor in values[1:]:
        result = result * factor
    return result


def _checked(node: tf.NodeDef, function: Callable[..., Any], *given: Any) -> np.ndarray:
    """Damaged graphs have shapes that do not fit, and numbers that have no root."""
    try:
        with np.errstate(all="raise", under="ignore"):
            return np.asarray(function(*given))
    except (ValueError, TypeError, IndexError, ArithmeticError, MemoryError) as error:
        raise GraphError(f"{node.op} {node.name!r} has no value ({error})") from error
