"""A `model.tflite` with other inputs and outputs, so that every op can be fed, and heard, from outside.

An interpreter keeps what a model gives, and nothing else. A model whose ops each read tensors of their own, which are
inputs of the model, and whose every tensor is an output, runs each op alone, all of them in one run.

A flatbuffer points forward only, so new tables that point at old ones have to stand before them: the file gets a new
head, model and graph with the new lists, before its old body, in which only the inputs of ops are overwritten. Two
entries in the list of tensors may be one table: the copy of a tensor has the shape and the grid of the original. The
numbers of the fields are those of TFLite's schema, as in `tflite_tensors`.
"""

import struct
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

_ALIGNED = 64
_MODEL_GRAPHS, _MODEL_KEPT = 2, (1, 3, 4)
_GRAPH_TENSORS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_OPS, _GRAPH_NAME = range(5)
_OP_INPUTS = 1


@dataclass(frozen=True)
class Wiring:
    """How the tensors of a model are to be connected.

    Attributes:
        copies: Tensors that get another one of the same kind, which has the next free number.
        op_inputs: The inputs of each op, as many as it has.
        inputs: The tensors that the model takes.
        outputs: The tensors that it gives.
    """

    copies: Sequence[int]
    op_inputs: Sequence[Sequence[int]]
    inputs: Sequence[int]
    outputs: Sequence[int]


def rewire(content: bytes, wiring: Wiring) -> bytes:
    """The model with other connections; ops, constants and grids stay as they are.

    Signatures and metadata, which name tensors by number, are left out.

    Args:
        content: A model of one graph.
        wiring: Its connections.
    """
    model = _uint(content, 0)
    (graph,) = _tables(content, model, _MODEL_GRAPHS)
    tensors = _tables(content, graph, _GRAPH_TENSORS)
    body = bytearray(content)
    for op, inputs in zip(_tables(content, graph, _GRAPH_OPS), wiring.op_inputs):
        start, count = _vector(content, op, _OP_INPUTS)
        assert count == len(inputs), (count, inputs)
        struct.pack_into(f"<{count}i", body, start, *inputs)
    head = _Head(content[4:8])
    places = head.vector([*tensors, *(tensors[index] for index in wiring.copies)])
    lists = {_GRAPH_TENSORS: places, _GRAPH_INPUTS: head.numbers(wiring.inputs),
             _GRAPH_OUTPUTS: head.numbers(wiring.outputs)}
    new_graph = head.table(lists, {field: _target(content, graph, field) for field in (_GRAPH_OPS, _GRAPH_NAME)})
    graphs = head.vector_of_one(new_graph)
    root = head.table({_MODEL_GRAPHS: graphs}, {field: _target(content, model, field) for field in _MODEL_KEPT},
                      version=_uint(content, _field(content, model, 0)))
    return head.before(bytes(body), root)


class _Head:
    """Tables and vectors that stand before a body: built from its end, as flatbuffers are, so that all point forward.

    Places are counted from the head's end backwards: the body begins at 0, and what is built lies below.
    """

    def __init__(self, identifier: bytes) -> None:
        self._identifier = identifier
        self._parts = b""
        self._targets: List[Tuple[int, int]] = []

    def _add(self, part: bytes) -> int:
        self._parts = part + self._parts
        return -len(self._parts)

    def numbers(self, values: Sequence[int]) -> int:
        """A vector of whole numbers."""
        return self._add(struct.pack(f"<I{len(values)}i", len(values), *values))

    def vector(self, targets: Sequence[int]) -> int:
        """A vector of tables in the body."""
        place = -len(self._parts) - 4 * len(targets) - 4
        offsets = [target - (place + 4 + 4 * index) for index, target in enumerate(targets)]
        return self._add(struct.pack(f"<I{len(targets)}I", len(targets), *offsets))

    def vector_of_one(self, target: int) -> int:
        """A vector of a single table of the head."""
        return self.vector([target])

    def table(self, own: Dict[int, int], old: Dict[int, int], version: int = 0) -> int:
        """A table whose fields point at places of the head and of the body; field 0 is the version where there is one.

        A field of the body that is missing there is -1, and left out.
        """
        targets = {**own, **{field: place for field, place in old.items() if place >= 0}}
        fields = sorted({*targets, *([0] if version else [])})
        last, size = max(fields), 4 + 4 * len(fields)
        # The list of offsets stands before its table, padded to whole words.
        offsets = [4 + 4 * fields.index(field) if field in fields else 0 for field in range(last + 1)]
        listed = struct.pack(f"<{3 + last}H", 4 + 2 * (last + 1), size, *offsets)
        listed += b"\0" * (-len(listed) % 4)
        place = -len(self._parts) - size
        values = [version if version and field == 0 else targets[field] - (place + offsets[field]) for field in fields]
        self._add(struct.pack("<i", len(listed)) + struct.pack(f"<{len(values)}I", *values))
        self._add(listed)
        return place

    def before(self, body: bytes, root: int) -> bytes:
        """The whole file."""
        start = 8
        size = start + len(self._parts)
        size += -size % _ALIGNED
        padding = b"\0" * (size - start - len(self._parts))
        return struct.pack("<I", size + root) + self._identifier + padding + self._parts + body


def _uint(content: bytes, place: int) -> int:
    found: int = struct.unpack_from("<I", content, place)[0]
    return found


def _field(content: bytes, table: int, number: int) -> int:
    """Where a field of a table stands; -1 where it is missing."""
    (back,) = struct.unpack_from("<i", content, table)
    fields = table - back
    (size,) = struct.unpack_from("<H", content, fields)
    place = 4 + 2 * number
    offset: int = struct.unpack_from("<H", content, fields + place)[0] if place < size else 0
    return table + offset if offset else -1


def _target(content: bytes, table: int, number: int) -> int:
    """What a field points at; -1 where it is missing."""
    place = _field(content, table, number)
    return -1 if place < 0 else place + _uint(content, place)


def _vector(content: bytes, table: int, number: int) -> Tuple[int, int]:
    """Where a vector's elements begin, and how many there are."""
    place = _target(content, table, number)
    return (0, 0) if place < 0 else (place + 4, _uint(content, place))


def _tables(content: bytes, table: int, number: int) -> List[int]:
    """Where the tables of a vector stand."""
    start, count = _vector(content, table, number)
    return [place + _uint(content, place) for place in range(start, start + 4 * count, 4)]
