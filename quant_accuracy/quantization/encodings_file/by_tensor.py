"""Versions up to 0.6.1: mappings from tensors to lists of encodings, each with its range."""

from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple

from quant_accuracy.base.documents import as_flag
from quant_accuracy.base.errors import StorageError, shown
from quant_accuracy.quantization.encodings_file import usable
from quant_accuracy.quantization.encodings_file.stored import SECTIONS, Stored
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding


def read(path: Path, document: Mapping[str, Any], remedy: str) -> Stored:
    """The encodings of a document; also of params alone, as AIMET's AdaRound leaves them.

    Raises:
        StorageError: It holds none, or one that cannot be used.
    """
    sections = _sections(path, document, remedy)
    return Stored(path, {kind: {str(tensor): _encodings(path, tensor, items, remedy)
                                for tensor, items in sections[kind].items()} for kind in SECTIONS})


def _sections(path: Path, document: Mapping[str, Any], remedy: str) -> Mapping[str, Mapping[str, Any]]:
    """The encodings of each kind, as they stand there by tensor name."""
    found = {kind: document[section] for kind, section in SECTIONS.items() if section in document}
    if not found and document and all(isinstance(items, list) and items for items in document.values()):
        # As AdaRound exports them.
        return {PARAM: document, ACTIVATION: {}}
    if not found:
        raise StorageError(f"{path}: has neither {' nor '.join(SECTIONS.values())}; name the model.encodings of an "
                           f"export, or {remedy}")
    return {kind: found.get(kind, {}) for kind in SECTIONS}


def _encodings(path: Path, tensor: str, items: Sequence[Mapping[str, Any]], remedy: str) -> Tuple[Encoding, ...]:
    if any(str(item.get("dtype", "int")).lower() != "int" for item in items):
        raise StorageError(f"{path}: the encoding of {tensor!r} is of floating-point numbers, and only integers are "
                           f"simulated; {remedy}")
    return usable.require(path, tensor, [_encoding(item) for item in items], remedy)


def _encoding(item: Mapping[str, Any]) -> Encoding:
    symmetric = as_flag(item["is_symmetric"])
    if symmetric is None:
        raise ValueError(f"is_symmetric is {shown(item['is_symmetric'])}")
    offset, bitwidth = usable.whole(item["offset"], "offset"), usable.whole(item["bitwidth"], "bitwidth")
    scale = float(item["scale"])
    if bitwidth in usable.BITWIDTHS and "min" not in item and "max" not in item:
        return usable.on_grid(scale, offset, bitwidth, symmetric)
    return Encoding(float(item["min"]), float(item["max"]), scale, offset, bitwidth, symmetric)
