"""What decides a `cond`: scalars that a graph computes from constants and from its learning phase alone.

Nothing ever feeds a learning phase here. A `PlaceholderWithDefault` (`keras_learning_phase`) has its default, and a
bool `Placeholder` without one (`training` of Keras, `is_training` of slim) is False, which is inference in all of them.
`phases` tells those that mean the opposite.
"""

from types import MappingProxyType
from typing import Any, Callable, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes

PLACEHOLDERS = ("Placeholder", "PlaceholderV2")
_WITH_DEFAULT = "PlaceholderWithDefault"
# Enter brings a value into a loop, Switch into a branch: it is the same there.
_PASSING = ("Identity", "StopGradient", "Enter", "Switch", "Squeeze", "Reshape", _WITH_DEFAULT)
_COMPARING: Mapping[str, Callable[[Any, Any], Any]] = {
    "Equal": np.equal, "NotEqual": np.not_equal, "Greater": np.greater, "GreaterEqual": np.greater_equal,
    "Less": np.less, "LessEqual": np.less_equal}
# Of these one operand may be enough.
_DECIDING = {"LogicalAnd": False, "LogicalOr": True}
_COMPUTING = frozenset((*_PASSING, *_COMPARING, *_DECIDING, "LogicalNot", "Cast"))
_DTYPES = (tf.bool, tf.int32, tf.int64, tf.float32)


class Known(NamedTuple):
    """A scalar whose value is known.

    Attributes:
        value: bool, int32, int64 or float32.
        placeholders: The placeholders that it depends on.
    """

    value: Any
    placeholders: FrozenSet[str] = frozenset()


def known(nodes: Mapping[str, tf.NodeDef], wanted: Iterable[str],
          assumed: Mapping[str, bool] = MappingProxyType({})) -> Dict[str, Known]:
    """The scalars that are known without running anything, by the op that gives them.

    Args:
        nodes: All ops of a graph by name.
        wanted: The ops whose values are asked for; those that they are computed from are in the answer too.
        assumed: Placeholders that have another value than nothing would give them.
    """
    consumers: Dict[str, List[str]] = {}
    found: Dict[str, Known] = {}
    seen: Set[str] = set()
    asked = list(wanted)
    while asked:
        name = asked.pop()
        if name in seen:
            continue
        seen.add(name)
        seed = Known(np.bool_(assumed[name]), frozenset((name,))) if name in assumed else _seed(nodes[name])
        if seed is not None:
            found[name] = seed
        elif nodes[name].op in _COMPUTING:
            for source in map(graph_nodes.op_of, graph_nodes.data_inputs(nodes[name])):
                consumers.setdefault(source, []).append(name)
                asked.append(source)
    waiting = list(found)
    while waiting:
        for name in consumers.get(waiting.pop(), ()):
            if name not in found:
                sources = map(graph_nodes.op_of, graph_nodes.data_inputs(nodes[name]))
                value = _computed(nodes[name], [found.get(source) for source in sources])
                if value is not None:
                    found[name] = value
                    waiting.append(name)
    return found


def is_scalar(placeholder: tf.NodeDef) -> bool:
    """Whether a placeholder says that it takes a scalar."""
    return "shape" in placeholder.attr and not placeholder.attr["shape"].shape.unknown_rank \
        and not placeholder.attr["shape"].shape.dim



def _seed(node: tf.NodeDef) -> Optional[Known]:
    if node.op in PLACEHOLDERS and "dtype" in node.attr and node.attr["dtype"].type == tf.bool.as_datatype_enum:
        unknown = "shape" not in node.attr or node.attr["shape"].shape.unknown_rank
        return Known(np.bool_(False), frozenset((node.name,))) if unknown or is_scalar(node) else None
    return _constant(node) if node.op == "Const" else None


def _constant(node: tf.NodeDef) -> Optional[Known]:
    if "value" not in node.attr:
        return None
    tensor = node.attr["value"].tensor
    single = not tensor.tensor_shape.unknown_rank and all(side.size == 1 for side in tensor.tensor_shape.dim)
    if not single or tensor.dtype not in [dtype.as_datatype_enum for dtype in _DTYPES]:
        return None
    try:
        return Known(tf.make_ndarray(tensor).reshape(-1)[0])
    except (ValueError, TypeError, IndexError):
        # A damaged constant is refused elsewhere, where it is needed.
        return None


def _computed(node: tf.NodeDef, operands: Sequence[Optional[Known]]) -> Optional[Known]:
    there = [operand for operand in operands if operand is not None]
    if node.op in _DECIDING:
        deciding = [operand for operand in there if bool(operand.value) == _DECIDING[node.op]]
        if deciding:
            return deciding[0]
    if not operands or operands[0] is None:
        return None
    placeholders = frozenset().union(*(operand.placeholders for operand in there))
    if node.op in _PASSING:
        own = frozenset((node.name,)) if node.op == _WITH_DEFAULT else frozenset()
        return Known(operands[0].value, operands[0].placeholders | own)
    if node.op == "LogicalNot":
        return Known(np.logical_not(operands[0].value), placeholders)
    if node.op == "Cast" and "DstT" in node.attr:
        target = node.attr["DstT"].type
        fitting = [dtype for dtype in _DTYPES if dtype.as_datatype_enum == target]
        return Known(fitting[0].as_numpy_dtype(operands[0].value), placeholders) if fitting else None
    if len(there) == len(operands) == 2:
        if node.op in _DECIDING:
            return Known(np.bool_(not _DECIDING[node.op]), placeholders)
        if node.op in _COMPARING:
            return Known(_COMPARING[node.op](there[0].value, there[1].value), placeholders)
    return None
