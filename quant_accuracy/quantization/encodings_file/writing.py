"""Encodings written as AIMET 1.19's `export` does."""

import json
from pathlib import Path
from typing import Any, Dict

from quant_accuracy.base import files
from quant_accuracy.quantization.encodings_file.stored import SECTIONS, VERSION
from quant_accuracy.quantization.records import Quantization


def write(path: Path, quantization: Quantization) -> None:
    """Write the encodings of the enabled quantizers, by tensor name, as AIMET's `export` does."""
    document: Dict[str, Any] = {"version": VERSION, "activation_encodings": {}, "param_encodings": {}}
    for quantizer in quantization.enabled():
        document[SECTIONS[quantizer.kind]][quantizer.tensor] = [{
            "bitwidth": encoding.bitwidth, "is_symmetric": str(encoding.symmetric), "max": encoding.maximum,
            "min": encoding.minimum, "offset": float(encoding.offset), "scale": encoding.scale,
        } for encoding in quantization.encodings[quantizer.tensor]]
    files.write_text(path, json.dumps(document, sort_keys=True, indent=4) + "\n")
