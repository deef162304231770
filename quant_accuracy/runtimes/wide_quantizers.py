"""Fake-quant ops of more than 8 bits in plain ops, for runtimes that take them for ops that change nothing.

OpenVINO 2026.4 removes those of 16 bits whatever it is asked for. Plain ops it leaves as they are.
"""

from typing import List, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes

_FAKE_QUANT = "FakeQuantWithMinMaxArgs"
_WIDE = 9


class _Grid(NamedTuple):
    """The grid that TensorFlow makes of an op's range, as it does in float32: zero lies on it."""

    low: np.float32
    high: np.float32
    scale: np.float32
    inverse: np.float32


def spell_out(graph: tf.GraphDef) -> tf.GraphDef:
    """Put in the place of each fake-quant op of 9 to 16 bits the plain ops that TensorFlow's kernel is made of."""
    result = tf.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        result.node.extend(_plain(node) if node.op == _FAKE_QUANT and node.attr["num_bits"].i >= _WIDE else [node])
    return result


def _plain(node: tf.NodeDef) -> List[tf.NodeDef]:
    grid, name = _grid(node), node.name
    values = {"low": grid.low, "high": grid.high, "inverse": grid.inverse, "half": np.float32(0.5), "scale": grid.scale}
    found = [graph_nodes.const_node(f"{name}/{key}", value) for key, value in values.items()]
    last = node.input[0]
    for step, (op, key) in enumerate((("Maximum", "low"), ("Minimum", "high"), ("Sub", "low"), ("Mul", "inverse"),
                                      ("Add", "half"), ("Floor", ""), ("Mul", "scale"), ("Add", "low"))):
        last_step = name if step == 7 else f"{name}/{step}"
        found.append(graph_nodes.float_node(last_step, op, [last, f"{name}/{key}"] if key else [last]))
        last = last_step
    return found


def _grid(node: tf.NodeDef) -> _Grid:
    low, high = np.float32(node.attr["min"].f), np.float32(node.attr["max"].f)
    first, last = np.float32(node.attr["narrow_range"].b), np.float32(2 ** node.attr["num_bits"].i - 1)
    scale = (high - low) / (last - first)
    zero = np.clip(np.floor(first - low / scale + np.float32(0.5)), first, last)
    return _Grid((first - zero) * scale, (last - zero) * scale, scale, np.float32(1) / scale)
