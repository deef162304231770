"""The values of a graph's variables, read from its checkpoint without a session.

Which variable takes which tensor of the checkpoint is read from the restore ops that TensorFlow's Saver left in the
graph, so that a Saver with renamed variables (moving averages, say) is followed too, and the parts of a partitioned
variable, which the checkpoint holds as one tensor.
"""

from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.checkpoint_parts import data_files
from quant_accuracy.base.errors import CheckpointError, GraphError, first_line
from quant_accuracy.freezing import index_file
from quant_accuracy.graph import boundaries
from quant_accuracy.graph import nodes as graph_nodes


def read(prefix: Path, path: Path, meta: tf.MetaGraphDef, graph: tf.GraphDef) -> Dict[str, np.ndarray]:
    """The value of each variable of a graph, by name.

    Args:
        prefix: Prefix of the checkpoint's files.
        path: Its `.meta` file, for messages.
        meta: What that holds.
        graph: The part of its graph whose variables are read.

    Raises:
        CheckpointError: A file is missing or damaged, a variable has no values, or a value is NaN or infinite.
    """
    return _values(prefix, graph, _restore_sources(path, meta))


class _Source(NamedTuple):
    """What the Saver restores into a variable.

    Attributes:
        name: The tensor of the checkpoint.
        part: The part of it, an offset and a size for each axis; None for all of it, and None for a whole axis.
    """

    name: str
    part: Optional[Sequence[Optional[Tuple[int, int]]]] = None

    def of(self, value: np.ndarray) -> np.ndarray:
        """The values for the variable.

        Raises:
            ValueError: The tensor of the checkpoint has no such part.
        """
        if self.part is None:
            return value
        wanted = [(0, side) if part is None else part for part, side in zip(self.part, value.shape)]
        if len(self.part) != value.ndim or any(a + n > side for (a, n), side in zip(wanted, value.shape)):
            raise ValueError(f"{self.name!r} has the shape {value.shape}, and no such part as {self.part}")
        return value[tuple(slice(offset, offset + size) for offset, size in wanted)]


def _part(text: str) -> Optional[Sequence[Optional[Tuple[int, int]]]]:
    """The part that RestoreV2 reads: nothing for all, else the sides, and `offset,size` or `-` for each axis."""
    if not text:
        return None
    axes = (axis.split(",") for axis in text.split(" ")[-1].split(":"))
    return [None if axis == ["-"] else (int(axis[0]), int(axis[1])) for axis in axes]


def _restore_sources(path: Path, meta: tf.MetaGraphDef) -> Dict[str, _Source]:
    """Which tensor of the checkpoint the Saver restores into each variable, as far as the graph says.

    A graph may hold the ops of several Savers; the one that wrote the checkpoint is named beside the graph.

    Raises:
        CheckpointError: The Saver's ops are not as TensorFlow makes them.
    """
    try:
        return _sources_of(meta)
    except (GraphError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: the ops that restore variables are damaged ({first_line(error)}); "
                              "copy the checkpoint again") from error


def _sources_of(meta: tf.MetaGraphDef) -> Dict[str, _Source]:
    nodes = graph_nodes.by_name(meta.graph_def)
    sources: Dict[str, _Source] = {}
    for node in _restored_by(nodes, meta.saver_def.restore_op_name):
        if node.op not in ("Assign", "AssignVariableOp") or len(node.input) < 2:
            continue
        source = node.input[1]
        for _ in nodes:
            # Not without end: what is damaged may go in a circle.
            if nodes[graph_nodes.op_of(source)].op != "Identity":
                break
            source = nodes[graph_nodes.op_of(source)].input[0]
        restore = nodes[graph_nodes.op_of(source)]
        if restore.op == "RestoreV2":
            names, parts = (graph_nodes.constant(nodes, restore.input[position]) for position in (1, 2))
            index = int(graph_nodes.tensor_of(source).rsplit(":", 1)[1])
            found = _Source(names[index].decode("utf-8"), _part(parts[index].decode("utf-8")))
            sources.setdefault(graph_nodes.op_of(node.input[0]), found)
    return sources


def _restored_by(nodes: Mapping[str, tf.NodeDef], restore: str) -> List[tf.NodeDef]:
    """The ops that a Saver's restore op waits for."""
    found: Dict[str, tf.NodeDef] = {}
    waiting = [restore] if restore in nodes else []
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = nodes[name]
            waiting += [graph_nodes.op_of(source) for source in nodes[name].input if source.startswith("^")]
    return list(found.values())


def _values(prefix: Path, graph: tf.GraphDef, sources: Mapping[str, _Source]) -> Dict[str, np.ndarray]:
    variables = [node for node in graph.node if node.op in boundaries.VARIABLES]
    index, *data = data_files(prefix)
    index_file.check(index)
    room = sum(path.stat().st_size for path in data)
    try:
        reader = tf.train.NewCheckpointReader(str(prefix))
        stored, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        values = {}
        for node in variables:
            taken = sources.get(node.name, _Source(node.name))
            source = taken.name
            if source not in stored:
                raise CheckpointError(f"{prefix}: has no values for the variable {source!r} of its own graph; "
                                      "export the checkpoint again")
            if graph_nodes.size_of(stored[source]) * types[source].size > room:
                raise CheckpointError(f"{prefix}: the variable {source!r} is said to have the shape {stored[source]}, "
                                      f"which the .data-* files of {room} bytes cannot hold; copy the checkpoint again")
            values[node.name] = taken.of(reader.get_tensor(source))
    except (tf.errors.OpError, ValueError, TypeError, IndexError, UnicodeDecodeError) as error:
        # An IndexError is the OutOfRangeError of TensorFlow 2's reader.
        raise CheckpointError(f"{prefix}: the .index or .data-* files cannot be read ({first_line(error)}); "
                              "copy the checkpoint again") from error
    for name, value in values.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            bad = int((~np.isfinite(value)).sum())
            raise CheckpointError(f"{prefix}: {bad} of {value.size} values of {name!r} are NaN or infinite; "
                                  "train or export the checkpoint again")
    return values
