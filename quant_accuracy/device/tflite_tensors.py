"""What a `model.tflite` says of itself: its tensors with their grids, and its ops.

The file is a flatbuffer: tables whose fields are found through a list of offsets before each of them. The numbers of
the fields, and those of the types, are those of TFLite's schema, which only ever adds to them.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from quant_accuracy.base.errors import StorageError

_IDENTIFIER = b"TFL3"
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
          8: "complex64", 9: "int8", 10: "float64"}
_OPS = {0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE",
        6: "DEQUANTIZE", 9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL",
        19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 25: "SOFTMAX",
        26: "SPACE_TO_DEPTH", 28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB",
        42: "DIV", 43: "SQUEEZE", 45: "STRIDED_SLICE", 47: "EXP", 49: "SPLIT", 53: "CAST", 54: "PRELU", 55: "MAXIMUM",
        57: "MINIMUM", 60: "PADV2", 65: "SLICE", 67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS", 74: "SUM", 77: "SHAPE",
        82: "REDUCE_MAX", 83: "PACK", 88: "UNPACK", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU",
        101: "ABS", 114: "QUANTIZE", 117: "HARD_SWISH"}
_EXTENDED = 127


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model.

    Attributes:
        index: Its number.
        name: Its name, the converter's.
        shape: Its sides.
        dtype: `uint8`, `int32` and so on.
        scales: The step between two values; one for each channel where there are several, none for plain numbers.
        zero_points: The step that is zero, likewise.
        constant: Its bytes; None for what the model computes.
    """

    index: int
    name: str
    shape: Tuple[int, ...]
    dtype: str
    scales: Tuple[float, ...]
    zero_points: Tuple[int, ...]
    constant: Optional[bytes]


@dataclass(frozen=True)
class Op:
    """An op of a model.

    Attributes:
        type: As TFLite's schema names it: `CONV_2D`.
        inputs: Numbers of tensors; -1 for one that is left out.
        outputs: Numbers of tensors.
    """

    type: str
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    """What a model is made of.

    Attributes:
        tensors: Its tensors, by number.
        ops: Its ops, in the order in which they run.
        inputs: Numbers of tensors.
        outputs: Numbers of tensors.
    """

    tensors: Sequence[Tensor]
    ops: Sequence[Op]
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]

    def producers(self) -> Dict[int, Op]:
        """The op that gives each tensor that is computed."""
        return {index: op for op in self.ops for index in op.outputs}


def read(path: Path) -> Contents:
    """What the model in a file is made of.

    Raises:
        StorageError: It is missing, or no model.
    """
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: not readable ({error.strerror}); delete {path.parent}, it will be rebuilt") \
            from error
    except (ValueError, struct.error, IndexError) as error:
        raise StorageError(f"{path}: no TFLite model ({error}); delete {path.parent}, it will be rebuilt") from error


def parse(content: bytes) -> Contents:
    """What a model is made of.

    Raises:
        ValueError, struct.error, IndexError: It is no model.
    """
    if content[4:8] != _IDENTIFIER:
        raise ValueError("its identifier is missing")
    model = _Table(content, _number("<I", content, 0))
    codes = [_op_type(code) for code in model.tables(1)]
    graphs, buffers = model.tables(2), model.tables(4)
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs")
    graph = graphs[0]
    tensors = [_tensor(index, table, buffers) for index, table in enumerate(graph.tables(0))]
    ops = [Op(codes[op.scalar(0, "<I")], op.numbers(1, "i"), op.numbers(2, "i")) for op in graph.tables(3)]
    return Contents(tensors, ops, graph.numbers(1, "i"), graph.numbers(2, "i"))


def _op_type(code: "_Table") -> str:
    # Types beyond 127 have a field of their own, which older files lack.
    number = max(code.scalar(0, "<b"), code.scalar(3, "<i"))
    return code.text(1) or _OPS.get(number, f"op {number}")


def _tensor(index: int, table: "_Table", buffers: Sequence["_Table"]) -> Tensor:
    buffer, grid = buffers[table.scalar(2, "<I")], table.table(4)
    scales = grid.numbers(2, "f") if grid else ()
    zero_points = grid.numbers(3, "q") if grid else ()
    dtype = table.scalar(1, "<b")
    return Tensor(index, table.text(3), table.numbers(0, "i"), _TYPES.get(dtype, f"type {dtype}"), scales, zero_points,
                  buffer.content(0) or None)


def _number(form: str, content: bytes, position: int) -> int:
    found: int = struct.unpack_from(form, content, position)[0]
    return found


class _Table:
    """A table of a flatbuffer; a field that is missing is zero or empty."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content, self._position = content, position
        self._fields = position - _number("<i", content, position)
        self._size = _number("<H", content, self._fields)

    def _field(self, number: int) -> Optional[int]:
        place = 4 + 2 * number
        offset = _number("<H", self._content, self._fields + place) if place < self._size else 0
        return self._position + offset if offset else None

    def scalar(self, number: int, form: str) -> int:
        place = self._field(number)
        return 0 if place is None else _number(form, self._content, place)

    def _vector(self, number: int) -> Tuple[int, int]:
        """Where a vector's elements begin, and how many there are."""
        place = self._field(number)
        if place is None:
            return 0, 0
        start = place + _number("<I", self._content, place)
        return start + 4, _number("<I", self._content, start)

    def numbers(self, number: int, form: str) -> Tuple[int, ...]:
        start, count = self._vector(number)
        return struct.unpack_from(f"<{count}{form}", self._content, start) if count else ()

    def content(self, number: int) -> bytes:
        start, count = self._vector(number)
        return self._content[start:start + count]

    def text(self, number: int) -> str:
        return self.content(number).decode("utf-8")

    def table(self, number: int) -> "Optional[_Table]":
        place = self._field(number)
        return None if place is None else _Table(self._content, place + _number("<I", self._content, place))

    def tables(self, number: int) -> "List[_Table]":
        start, count = self._vector(number)
        places = range(start, start + 4 * count, 4)
        return [_Table(self._content, place + _number("<I", self._content, place)) for place in places]
