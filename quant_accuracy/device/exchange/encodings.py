"""Whether a board was given the encodings that the simulation has."""

from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from quant_accuracy.base import files
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import Encoding, Encodings

NAME = "model.encodings"
# Of a range's width: calibration on another machine moves the last digits.
_SAME = 1e-5
_SHOWN = 3


def differences(path: Path, digest: str, here: Encodings) -> List[str]:
    """How the encodings of a bundle differ from those of the simulation, beyond rounding.

    Args:
        path: The encodings of the bundle.
        digest: Their digest, as the manifest has it.
        here: Those of the simulation.
    """
    if not path.is_file() or files.digest_file(path) != digest:
        return [f"other encodings ({path} would tell which, and is {'changed' if path.is_file() else 'not there'})"]
    try:
        there = encodings_file.read(path, "copy it from the bundle").all()
    except QuantAccuracyError as error:
        return [f"other encodings; how they differ is not known ({error})"]
    found = {tensor: _difference(there.get(tensor), here.get(tensor)) for tensor in sorted({*there, *here})}
    return _lines({tensor: text for tensor, text in found.items() if text})


def _lines(differing: Mapping[str, str]) -> List[str]:
    if not differing:
        return []
    shown = "; ".join(f"{tensor} {text}" for tensor, text in list(differing.items())[:_SHOWN])
    return [f"other encodings of {len(differing)} tensors ({shown}{'; ...' if len(differing) > _SHOWN else ''})"]


def _difference(there: Optional[Sequence[Encoding]], here: Optional[Sequence[Encoding]]) -> str:
    if there is None or here is None:
        return "is quantized only " + ("here" if there is None else "there")
    if len(there) != len(here):
        return f"has {len(there)} encodings there, {len(here)} here"
    for one, other in zip(there, here):
        if one.bitwidth != other.bitwidth:
            return f"has {one.bitwidth} bits there, {other.bitwidth} here"
        width = max(one.maximum - one.minimum, other.maximum - other.minimum)
        if max(abs(one.minimum - other.minimum), abs(one.maximum - other.maximum)) > _SAME * width:
            return (f"{one.minimum:.6g} .. {one.maximum:.6g} there, {other.minimum:.6g} .. {other.maximum:.6g} here")
    return ""
