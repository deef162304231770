"""Version 1.0.0: each field of an encoding, and what cannot be represented."""

from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from quant_accuracy.base.errors import StorageError
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import PARAM, Encoding

_ITEM = {"name": "a:0", "dtype": "INT", "bw": 8, "enc_type": "PER_TENSOR", "is_sym": False, "scale": [0.5],
         "offset": [-128.0]}


def _document(**changes: Any) -> Dict[str, Any]:
    item = {key: value for key, value in {**_ITEM, **changes}.items() if value is not Ellipsis}
    return {"version": "1.0.0", "activation_encodings": [], "param_encodings": [item]}


def test_the_ends_of_a_range_follow_from_its_scale_and_offset(written: Callable[[Any], Path]) -> None:
    found = encodings_file.read(written(_document())).by_kind[PARAM]

    assert found == {"a:0": (Encoding(-64.0, 63.5, 0.5, -128, 8),)}


def test_each_channel_has_its_scale_and_offset(written: Callable[[Any], Path]) -> None:
    content = _document(enc_type="PER_CHANNEL", is_sym=True, scale=[0.5, 2], offset=[-128, 0])

    (found,) = encodings_file.read(written(content)).by_kind[PARAM].values()

    assert found == (Encoding(-64.0, 63.5, 0.5, -128, 8, True), Encoding(0.0, 510.0, 2.0, 0, 8, True))


@pytest.mark.parametrize(("changes", "message"), [
    ({"dtype": "FLOAT", "bw": 16}, "'a:0' has dtype 'FLOAT': it is of floating-point numbers"),
    ({"enc_type": "PER_BLOCK", "block_size": 32}, "'a:0' has enc_type 'PER_BLOCK': blocks of channels"),
    ({"enc_type": "LPBQ"}, "'a:0' has enc_type 'LPBQ': .*whose scales are quantized themselves"),
    ({"enc_type": "VECTOR"}, "'a:0' has enc_type 'VECTOR': values are quantized together"),
    ({"enc_type": "NEW"}, "'a:0' has enc_type 'NEW': nothing is known of it"),
    ({"zero_point_shift": [0.5]}, r"'a:0' has zero_point_shift \[0.5\]: zero lies between two steps"),
    ({"bw": 64}, "'a:0' has bw 64: that is not a bit width"),
    ({"scale": [1, 2]}, "'a:0' is PER_TENSOR and has 2 scales and 1 offsets"),
    ({"enc_type": "PER_CHANNEL", "scale": [1, 2]}, "'a:0' is PER_CHANNEL and has 2 scales and 1 offsets"),
    ({"scale": [0.0]}, "'a:0' cannot be used: the range .* is inverted or empty"),
    ({"scale": [-1.0]}, "'a:0' cannot be used: the range .* is inverted or empty"),
    ({"offset": [7]}, "'a:0' cannot be used: the range .* does not hold zero"),
    ({"offset": [-256]}, "'a:0' cannot be used: the range .* does not hold zero"),
    ({"scale": []}, "has 0 scales and 1 offsets"),
    ({"is_sym": "perhaps"}, "version 1.0.0 .ValueError: is_sym is 'perhaps'"),
    ({"bw": 7.5}, "version 1.0.0 .ValueError: bw is 7.5, not a whole number"),
    ({"offset": [-0.5]}, "version 1.0.0 .ValueError: offset is -0.5, not a whole number"),
    ({"scale": ["much"]}, "version 1.0.0 .ValueError: scale is 'much', not a number"),
    ({"scale": [[1]]}, "version 1.0.0 .ValueError: scale has more than one axis"),
    ({"name": 5}, "version 1.0.0 .ValueError: name is 5, not a text"),
    ({"name": ...}, "version 1.0.0 .KeyError: 'name'"),
])
def test_what_cannot_be_used_is_named_with_tensor_and_field(changes: Dict[str, Any], message: str,
                                                            written: Callable[[Any], Path]) -> None:
    with pytest.raises(StorageError, match=message):
        encodings_file.read(written(_document(**changes)))


def test_two_encodings_of_one_tensor_are_refused(written: Callable[[Any], Path]) -> None:
    content = _document()
    content["param_encodings"] *= 2

    with pytest.raises(StorageError, match="holds two encodings of 'a:0'"):
        encodings_file.read(written(content))
