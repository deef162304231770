"""Encodings in AIMET's export format, version 0.5.0."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

from quant_accuracy import files
from quant_accuracy.errors import StorageError
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantizer

VERSION = "0.5.0"
_SECTIONS = {ACTIVATION: "activation_encodings", PARAM: "param_encodings"}


def write(path: Path, quantizers: Sequence[Quantizer], encodings: Mapping[str, Encoding]) -> None:
    """Write the encodings of the enabled quantizers, by tensor name, as AIMET's `export` does."""
    document: Dict[str, Any] = {"version": VERSION, "activation_encodings": {}, "param_encodings": {}}
    for quantizer in quantizers:
        if quantizer.enabled:
            encoding = encodings[quantizer.tensor]
            document[_SECTIONS[quantizer.kind]][quantizer.tensor] = [{
                "bitwidth": encoding.bitwidth, "is_symmetric": str(encoding.symmetric), "max": encoding.maximum,
                "min": encoding.minimum, "offset": float(encoding.offset), "scale": encoding.scale,
            }]
    files.write_text(path, json.dumps(document, sort_keys=True, indent=4) + "\n")


def read(path: Path) -> Dict[str, Encoding]:
    """Read an encodings file, both sections, by tensor name.

    Raises:
        StorageError: The file is missing, is not JSON, or lacks a field.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found: Dict[str, Encoding] = {}
        for section in _SECTIONS.values():
            for tensor, (item,) in document[section].items():
                found[tensor] = Encoding(float(item["min"]), float(item["max"]), float(item["scale"]),
                                         int(item["offset"]), int(item["bitwidth"]), item["is_symmetric"] == "True")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{path}: not readable as an encodings file of version {VERSION} ({error}); "
                           "make it again with --quantsim-output-dir") from error
    return found
