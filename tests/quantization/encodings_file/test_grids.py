"""Version 2.x: zero points of every integer type, and what cannot be represented."""

from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from quant_accuracy.base.errors import StorageError
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding


def _document(**changes: Any) -> Dict[str, Any]:
    return {"version": "2.0.0", "encodings": [{"name": "a:0", "output_dtype": "int8", "y_scale": 0.5, **changes}]}


@pytest.mark.parametrize(("changes", "wanted"), [
    ({}, [(-64.0, 63.5, -128, 8)]),
    ({"y_zero_point": -128}, [(0.0, 127.5, 0, 8)]),
    ({"output_dtype": "uint8"}, [(0.0, 127.5, 0, 8)]),
    ({"output_dtype": "uint8", "y_zero_point": 128}, [(-64.0, 63.5, -128, 8)]),
    ({"output_dtype": "int4"}, [(-4.0, 3.5, -8, 4)]),
    ({"output_dtype": "uint16", "y_zero_point": 1000}, [(-500.0, 32267.5, -1000, 16)]),
    ({"output_dtype": "int32"}, [(-2.0 ** 30, 2.0 ** 30 - 0.5, -2 ** 31, 32)]),
    ({"y_scale": [0.5, 1], "y_zero_point": [0, -128], "axis": 0}, [(-64.0, 63.5, -128, 8), (0.0, 255.0, 0, 8)]),
    ({"y_scale": [0.5], "axis": 3}, [(-64.0, 63.5, -128, 8)]),
    ({"block_size": 0}, [(-64.0, 63.5, -128, 8)]),
])
def test_a_grid_is_counted_from_its_lowest_value(changes: Dict[str, Any], wanted: Any,
                                                 written: Callable[[Any], Path]) -> None:
    stored = encodings_file.read(written(_document(**changes)))

    found = [(e.minimum, e.maximum, e.offset, e.bitwidth) for e in stored.by_kind[PARAM]["a:0"]]
    assert found == wanted
    assert stored.by_kind[ACTIVATION] == stored.by_kind[PARAM]
    assert all(isinstance(encoding, Encoding) for encoding in stored.all()["a:0"])


@pytest.mark.parametrize(("changes", "message"), [
    ({"output_dtype": "float16"}, "'a:0' has output_dtype 'float16': that is not a type of integers"),
    ({"output_dtype": "float8e4m3fn"}, "'a:0' has output_dtype 'float8e4m3fn': that is not a type of integers"),
    ({"output_dtype": "int64"}, "'a:0' has output_dtype 'int64': that is not a bit width"),
    ({"output_dtype": 8}, "'a:0' has output_dtype 8: that is not a type of integers"),
    ({"y_scale": [[0.5, 1]], "axis": 1, "block_size": 16}, "'a:0' has block_size 16: blocks of channels"),
    ({"per_block_int_scale": [1, 2], "per_channel_float_scale": [1.0]}, "'a:0' has per_block_int_scale"),
    ({"y_scale": [0.5, 1]}, "'a:0' has 2 of y_scale, 2 of y_zero_point and the axis None"),
    ({"y_scale": [0.5, 1], "y_zero_point": [0], "axis": 0}, "'a:0' has 2 of y_scale, 1 of y_zero_point"),
    ({"y_zero_point": 200}, "'a:0' cannot be used: the range .* does not hold zero"),
    ({"y_zero_point": 0.5}, "version 2.0.0 .ValueError: y_zero_point is 0.5, not a whole number"),
    ({"y_scale": "wide"}, "version 2.0.0 .ValueError: y_scale is 'wide', not a number"),
    ({"y_scale": [[0.5]]}, "version 2.0.0 .ValueError: y_scale has more than one axis"),
])
def test_what_cannot_be_used_is_named_with_tensor_and_field(changes: Dict[str, Any], message: str,
                                                            written: Callable[[Any], Path]) -> None:
    with pytest.raises(StorageError, match=message):
        encodings_file.read(written(_document(**changes)))
