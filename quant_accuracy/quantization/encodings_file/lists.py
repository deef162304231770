"""Version 1.0.0: lists of encodings that name their tensor, with a scale and an offset for each channel."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from quant_accuracy.base.documents import as_flag
from quant_accuracy.base.errors import StorageError, shown
from quant_accuracy.quantization.encodings_file import usable
from quant_accuracy.quantization.encodings_file.stored import SECTIONS, Stored
from quant_accuracy.quantization.records import Encoding, Encodings

_PER_TENSOR, _PER_CHANNEL = "PER_TENSOR", "PER_CHANNEL"
_SCHEMES = {"PER_BLOCK": "blocks of channels have an encoding each",
            "LPBQ": "blocks of channels have an encoding each, whose scales are quantized themselves",
            "VECTOR": "values are quantized together, as vectors"}
_FIELDS = {"zero_point_shift": "zero lies between two steps"}


def read(path: Path, document: Mapping[str, Any], remedy: str) -> Stored:
    """The encodings of a document.

    Raises:
        StorageError: It holds none, two of one tensor, or one that cannot be used.
    """
    if not any(section in document for section in SECTIONS.values()):
        raise StorageError(f"{path}: has neither {' nor '.join(SECTIONS.values())}; name the model.encodings of an "
                           f"export, or {remedy}")
    return Stored(path, {kind: _section(path, document.get(section, []), remedy) for kind, section in SECTIONS.items()})


def _section(path: Path, items: List[Mapping[str, Any]], remedy: str) -> Encodings:
    found: Dict[str, Tuple[Encoding, ...]] = {}
    for tensor, item in named(path, items, remedy):
        found[tensor] = _encodings(path, tensor, item, remedy)
    return found


def named(path: Path, items: List[Mapping[str, Any]], remedy: str) -> List[Tuple[str, Mapping[str, Any]]]:
    """The encodings of a list by the names of their tensors.

    Raises:
        StorageError: Two have the same name.
    """
    seen: Dict[str, Mapping[str, Any]] = {}
    for item in items:
        name = item["name"]
        if not isinstance(name, str):
            raise ValueError(f"name is {shown(name)}, not a text")
        if name in seen:
            raise StorageError(f"{path}: holds two encodings of {name!r}; {remedy}")
        seen[name] = item
    return list(seen.items())


def _encodings(path: Path, tensor: str, item: Mapping[str, Any], remedy: str) -> Tuple[Encoding, ...]:
    kind, scheme = str(item.get("dtype", "INT")), str(item.get("enc_type", _PER_TENSOR)).upper()
    if kind.upper() != "INT":
        raise usable.unsupported(path, tensor, f"dtype {shown(kind)}", "it is of floating-point numbers")
    if scheme not in (_PER_TENSOR, _PER_CHANNEL):
        raise usable.unsupported(path, tensor, f"enc_type {shown(item['enc_type'])}",
                                 _SCHEMES.get(scheme, "nothing is known of it"))
    usable.beyond(path, tensor, item, _FIELDS, remedy)
    symmetric, bitwidth = as_flag(item["is_sym"]), usable.whole(item["bw"], "bw")
    if symmetric is None:
        raise ValueError(f"is_sym is {shown(item['is_sym'])}")
    if bitwidth not in usable.BITWIDTHS:
        raise usable.unsupported(path, tensor, f"bw {bitwidth}", "that is not a bit width")
    scales = [usable.number(value, "scale") for value in usable.several(item["scale"], "scale")]
    offsets = [usable.whole(value, "offset") for value in usable.several(item["offset"], "offset")]
    if len(scales) != len(offsets) or (scheme == _PER_TENSOR and len(scales) != 1):
        raise StorageError(f"{path}: the encoding of {tensor!r} is {scheme} and has {len(scales)} scales and "
                           f"{len(offsets)} offsets; {remedy}")
    return usable.require(path, tensor, [usable.on_grid(scale, offset, bitwidth, symmetric)
                                         for scale, offset in zip(scales, offsets)], remedy)
