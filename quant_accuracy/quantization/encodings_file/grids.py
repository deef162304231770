"""Version 2.x: one list of encodings of all tensors, in the words of ONNX's QuantizeLinear."""

import re
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

from quant_accuracy.base.errors import StorageError, shown
from quant_accuracy.quantization.encodings_file import lists, usable
from quant_accuracy.quantization.encodings_file.stored import Stored
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding

LIST = "encodings"
_TYPE = re.compile(r"(u?)int(\d{1,2})$")
_FIELDS = {"block_size": "blocks of channels have an encoding each",
           "per_block_int_scale": "blocks of channels have an encoding each, whose scales are quantized themselves",
           "per_channel_float_scale": "blocks of channels have an encoding each, whose scales are quantized themselves"}


def read(path: Path, document: Mapping[str, Any], remedy: str) -> Stored:
    """The encodings of a document, which does not tell params from activations, nor symmetric ones from others.

    Raises:
        StorageError: It holds none, two of one tensor, or one that cannot be used.
    """
    if not isinstance(document.get(LIST), list):
        raise StorageError(f"{path}: has no list of {LIST}; name the model.encodings of an export, or {remedy}")
    found: Dict[str, Tuple[Encoding, ...]] = {}
    for tensor, item in lists.named(path, document[LIST], remedy):
        found[tensor] = _encodings(path, tensor, item, remedy)
    return Stored(path, {PARAM: found, ACTIVATION: found}, of_every_tensor=True)


def _encodings(path: Path, tensor: str, item: Mapping[str, Any], remedy: str) -> Tuple[Encoding, ...]:
    usable.beyond(path, tensor, item, _FIELDS, remedy)
    kind = _TYPE.match(str(item["output_dtype"]))
    if kind is None:
        raise usable.unsupported(path, tensor, f"output_dtype {shown(item['output_dtype'])}",
                                 "that is not a type of integers")
    bitwidth = int(kind.group(2))
    if bitwidth not in usable.BITWIDTHS:
        raise usable.unsupported(path, tensor, f"output_dtype {shown(item['output_dtype'])}", "that is not a bit width")
    scales = [usable.number(value, "y_scale") for value in usable.several(item["y_scale"], "y_scale")]
    given = item.get("y_zero_point")
    points = usable.several([0] * len(scales) if given is None else given, "y_zero_point")
    if len(scales) != len(points) or (len(scales) > 1 and item.get("axis") is None):
        raise StorageError(f"{path}: the encoding of {tensor!r} has {len(scales)} of y_scale, {len(points)} of "
                           f"y_zero_point and the axis {shown(item.get('axis'))}; {remedy}")
    # Integers with a sign begin below zero; the grid of an encoding is counted from its lowest value.
    lowest = 0 if kind.group(1) else -2 ** (bitwidth - 1)
    return usable.require(path, tensor, [
        usable.on_grid(scale, lowest - usable.whole(point, "y_zero_point"), bitwidth, False)
        for scale, point in zip(scales, points)], remedy)
